# Shiny on a unix socket: where the port is text with a mask, httpuv takes it for a socket's path.
set -eu
folder=${value_folder:-}
if [ -z "$folder" ]; then
    folder=$(Rscript -e 'cat(system.file("examples/01_hello", package = "shiny"))')
fi
if [ ! -d "$folder" ]; then
    echo "There is no folder $folder among this session's volumes." >&2
    exit 1
fi
cd "$folder"
umask 022 # of what the app writes, as in a job
export SHINY_FOLDER=$folder SHINY_SOCKET=$app_socket
exec Rscript -e 'socket <- structure(Sys.getenv("SHINY_SOCKET"), mask = strtoi("177", 8L))
    shiny::runApp(Sys.getenv("SHINY_FOLDER"), port = socket, launch.browser = FALSE)'
