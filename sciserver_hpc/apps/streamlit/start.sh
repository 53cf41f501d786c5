# Streamlit on a unix socket. Its own server binds a TCP port alone, so it is handed a socket that is bound already.
set -eu
if [ -n "${value_script:-}" ]; then
    if [ ! -f "$value_script" ]; then
        echo "There is no file $value_script among this session's volumes." >&2
        exit 1
    fi
    cd "$(dirname "$value_script")"
    run=(run "$value_script")
else
    run=(hello)
fi
cat >"$app_folder/serve.py" <<'PYTHON'
"""Streamlit (1.67) at a unix socket: serve.py SOCKET ARGUMENT…"""

import os
import socket
import sys

from streamlit.web import cli
from streamlit.web.server.starlette import starlette_server

path, *arguments = sys.argv[1:]
bound = socket.socket(socket.AF_UNIX)
bound.bind(path)
os.chmod(path, 0o600)
if not hasattr(starlette_server, "_bind_server_socket"):
    sys.exit("this version of Streamlit binds its port in another way; use the version of the app's image")
starlette_server._bind_server_socket = lambda *_: (bound, "127.0.0.1")
sys.argv[1:] = arguments
cli.main(prog_name="streamlit")
PYTHON
umask 022 # of what the app writes, as in a job
exec python3 "$app_folder/serve.py" "$app_socket" "${run[@]}" --server.headless true \
    --server.corsAllowedOrigins "$app_origin" --browser.serverAddress "${app_origin#*://}" \
    --browser.gatherUsageStats false --server.fileWatcherType poll
