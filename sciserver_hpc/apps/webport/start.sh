# Any command that serves HTTP on the port PORT. The command is the user's own code, run as the user.
set -eu
export PORT=$app_port ORIGIN=$app_origin
cd /home/idies/workspace
umask 022 # of what the app writes, as in a job
exec /bin/bash -c "$value_command"
