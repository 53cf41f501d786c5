# code-server on a unix socket, without a password of its own: who comes here was let in by the portal.
set -eu
folder=/home/idies/workspace
if [ -d "${value_folder:-}" ]; then
    folder=$value_folder
fi
readonly data=$app_folder/code-server
mkdir -p "$data"
while sleep 15; do
    if [ -n "$(find "$data/heartbeat" -mmin -1 2>/dev/null)" ]; then
        touch "$app_folder/active"
    fi
done &
umask 022 # of what the user writes, as in a job
exec code-server --socket "$app_socket" --socket-mode 600 --auth none --disable-telemetry --disable-update-check \
    --disable-workspace-trust --trusted-origins "${app_origin#*://}" --user-data-dir "$data" \
    --extensions-dir "$data/extensions" "$folder"
