# TensorBoard on a unix socket, which its own server does not know: it gets a WSGI server that does.
set -eu
if [ ! -d "$value_folder" ]; then
    echo "There is no folder $value_folder among this session's volumes." >&2
    exit 1
fi
cat >"$app_folder/board.py" <<'PYTHON'
"""TensorBoard at a unix socket: board.py SOCKET FLAG…"""

import os
import sys

from tensorboard import default, program
from werkzeug.serving import ThreadedWSGIServer


class SocketServer(program.TensorBoardServer):
    def __init__(self, application, flags):
        before = os.umask(0o177)
        self._server = ThreadedWSGIServer(f"unix://{SOCKET}", 0, application)
        os.umask(before)

    def serve_forever(self):
        self._server.serve_forever()

    def get_url(self):
        return "http://session:1/"  # it wants a number


SOCKET, *flags = sys.argv[1:]
board = program.TensorBoard(default.get_plugins(), server_class=SocketServer)
board.configure(["tensorboard", *flags])
sys.exit(board.main())
PYTHON
umask 022 # of what plugins write, as in a job
# --load_fast: the data server in Rust would listen on a TCP port.
exec python3 "$app_folder/board.py" "$app_socket" --logdir "$value_folder" --reload_interval "$value_reload" \
    --load_fast false
