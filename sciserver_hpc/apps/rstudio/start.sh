# RStudio Server (2024.04 or newer) on a unix socket, without a sign-in of its own and without root.
set -eu
readonly state=$app_folder/rstudio
mkdir -p "$state/data" "$state/database"
cat >"$state/database.conf" <<CONF
provider=sqlite
directory=$state/database
CONF
cat >"$state/session.sh" <<'SESSION'
#!/bin/bash
umask 022 # of what the user writes, as in a job
exec rsession "$@"
SESSION
chmod 700 "$state/session.sh"
cd /home/idies/workspace
exec rserver --server-daemonize=0 --server-user="$(id -un)" --auth-none=1 --www-socket="$app_socket" \
    --server-data-dir="$state/data" --server-pid-file="$state/pid" --database-config-file="$state/database.conf" \
    --secure-cookie-key-file="$state/cookie-key" --www-root-path=/ --www-same-site=lax \
    --rsession-path="$state/session.sh" --rsession-which-r="$(command -v R)"
