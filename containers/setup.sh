#!/bin/sh
# What the recipes' %setup sections share: setup.sh SUITE MACHINE FILE…, run on the building machine.
#
# Bootstraps Debian SUITE into the image and hands FILEs to build.sh. MACHINE is a directory with what the
# building machine alone knows: `mirror` (the Debian mirror's URL), `ca.crt` and `pip.conf`. Apptainer records
# a recipe with its build arguments in the image, so these are files and not arguments, and the recipes do not
# name a mirror as `Bootstrap: debootstrap` would.
set -eu
suite=$1 machine=$2
shift 2

# A rootless build cannot make device nodes: show debootstrap the machine's.
devices="null zero full random urandom tty"
mkdir -p "$APPTAINER_ROOTFS/dev"
for device in $devices console ptmx; do
    touch "$APPTAINER_ROOTFS/dev/$device"
done
for device in $devices; do
    mount --bind "/dev/$device" "$APPTAINER_ROOTFS/dev/$device"
done
debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv "$suite" "$APPTAINER_ROOTFS" \
    "$(cat "$machine/mirror")" || { tail "$APPTAINER_ROOTFS/debootstrap/debootstrap.log"; exit 1; }
for device in $devices; do
    umount "$APPTAINER_ROOTFS/dev/$device"
done

mkdir "$APPTAINER_ROOTFS/.build"
install -m 644 "$machine/ca.crt" "$machine/pip.conf" build.sh "$@" "$APPTAINER_ROOTFS/.build/"
install -m 755 startup.sh "$APPTAINER_ROOTFS/opt/startup.sh"
