# What the recipes' %post sections share; sourced by sh in the image being built, as its root.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# debian_packages NAME…: from the mirror that debootstrap used, without recommended extras.
debian_packages() {
    apt-get update -q -o Acquire::https::CaInfo=/.build/ca.crt
    apt-get install -q -y --no-install-recommends -o Acquire::https::CaInfo=/.build/ca.crt "$@"
}

# python_packages LIST…: the pinned requirements/LIST.txt into /opt/venv, with its kernel registered for all.
python_packages() {
    python3 -m venv /opt/venv
    for list in "$@"; do
        PIP_CONFIG_FILE=/.build/pip.conf /opt/venv/bin/pip install -q --no-cache-dir \
            --disable-pip-version-check --cert /.build/ca.crt --no-deps -r "/.build/$list.txt"
    done
    /opt/venv/bin/pip check
}

# licences_alone DIRECTORY: of a tree like /usr/share/doc only what a copy of the packages must carry. A package's
# directory may be a link to that of another one of the same source.
licences_alone() {
    find "$1" -mindepth 2 ! -type d ! -name copyright -delete
    find "$1" -mindepth 1 -type d -empty -delete
}

# clean: nothing of the building machine (mirror, certificates, pip's configuration) and no caches stay.
# /tmp and /var/tmp are the building machine's own during a build: leave them alone.
clean() {
    mkdir -p /home/idies/workspace
    chmod 755 /home/idies /home/idies/workspace
    echo '# Packages are chosen when the image is built; name a mirror here to install more.' >/etc/apt/sources.list
    rm -rf /.build /var/lib/apt/lists/* /var/cache/apt/* /usr/share/man/*
    licences_alone /usr/share/doc
    find /var/log -type f -delete
}
