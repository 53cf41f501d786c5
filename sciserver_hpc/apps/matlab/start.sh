# MATLAB by matlab-proxy. Its token stands in the environment of its own process alone: the program knows no other way.
set -eu
export MWI_APP_HOST=127.0.0.1 MWI_APP_PORT=$app_port MWI_ENABLE_TOKEN_AUTH=true MWI_BASE_URL=/
MWI_AUTH_TOKEN=$(<"$app_secret_file")
export MWI_AUTH_TOKEN
cd /home/idies/workspace
umask 022 # of what the user writes, as in a job
exec matlab-proxy-app
