# JupyterLab on a unix socket, beside a database (compose.yml). The server reads its token itself, from the secret's file.
set -eu
readonly settings=$app_folder/jupyter
mkdir -p "$settings/labconfig" "$app_folder/runtime" ~/.ipython/profile_default

cat >"$settings/jupyter_server_config.py" <<'PYTHON'
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
c = get_config()
# Taken out of the environment, which kernels and terminals inherit.
with open(os.environ.pop("APP_SECRET_FILE")) as file:
    c.IdentityProvider.token = file.read().strip()
c.ServerApp.sock = os.environ.pop("APP_SOCKET")
c.ServerApp.sock_mode = "0600"
c.ServerApp.allow_origin = os.environ.pop("APP_ORIGIN")
c.ServerApp.allow_remote_access = True  # the Host header is the proxy's, which checked it
c.ServerApp.jpserver_extensions = {"sciserver_activity": True}
c.ServerApp.root_dir = "/home/idies/workspace"
c.ServerApp.open_browser = False
c.ServerApp.quit_button = False  # the portal's own stop frees the node as well
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}
# Other people of the node could listen to what kernels send over TCP.
c.ConnectionFileMixin.transport = "ipc"
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
PYTHON

# It would ask everybody, in each session, whether it may fetch news.
cat >"$settings/labconfig/page_config.json" <<'JSON'
{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}
JSON

cat >"$settings/sciserver_activity.py" <<'PYTHON'
"""Tells when the session was last used, and how many kernels compute."""

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from jupyter_server._tz import isoformat, utcnow

FILES = "https://events.jupyter.org/jupyter_server/contents_service/v1"
LOOKING = ("get",)


class Activity(JupyterHandler):
    @allow_unauthenticated
    async def get(self):
        kernels = self.kernel_manager.list_kernels()
        busy = sum(kernel["execution_state"] == "busy" for kernel in kernels)
        last = isoformat(self.application.last_activity())
        self.finish({"last_activity": last, "kernels_busy": busy})


def _jupyter_server_extension_points():
    return [{"module": "sciserver_activity"}]


def _load_jupyter_server_extension(server):
    application = server.web_app
    APIHandler._track_activity = False  # a page that is open asks without anybody looking at it

    async def changed(logger, schema_id, data):
        if data["action"] not in LOOKING:
            application.settings["files_last_activity"] = utcnow()

    server.event_logger.add_listener(schema_id=FILES, listener=changed)
    path = url_path_join(application.settings["base_url"], "sciserver/activity")
    application.add_handlers(".*$", [(path, Activity)])
PYTHON

# What is left of ipykernel's TCP ports, at which anybody on the node could knock: its debugger's, where whoever
# connects runs code, and the one for the output of forked processes, which becomes a socket in the private /tmp.
cat >~/.ipython/profile_default/ipython_kernel_config.py <<'PYTHON'
import os
import tempfile

import ipykernel.debugger
import ipykernel.kernelapp
import zmq
from zmq.eventloop.zmqstream import ZMQStream


class IOPubThread(ipykernel.kernelapp.IOPubThread):
    def _setup_pipe_in(self):
        self._pipe_uuid = os.urandom(16)
        self._pipe_at = f"ipc://{tempfile.mkdtemp(prefix='kernel-')}/output"
        pipe = self.socket.context.socket(zmq.PULL)
        pipe.linger = 0
        pipe.bind(self._pipe_at)
        self._pipe_in = ZMQStream(pipe, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def _setup_pipe_out(self):
        context = zmq.Context()  # a fork cannot go on with its parent's
        pipe = context.socket(zmq.PUSH)
        pipe.linger = 3000
        pipe.connect(self._pipe_at)
        return context, pipe


ipykernel.debugger._is_debugpy_available = False
ipykernel.kernelapp.IOPubThread = IOPubThread
PYTHON
# Where kernels built on metakernel, as Octave's is, look for the same.
cp ~/.ipython/profile_default/ipython_kernel_config.py "$settings/ipython_config.py"

preferred=/home/idies/workspace
if [ -d "${value_folder:-}" ]; then
    preferred=$value_folder
fi
export APP_SECRET_FILE=$app_secret_file APP_SOCKET=$app_socket APP_ORIGIN=$app_origin
# Where programs of PostgreSQL, psycopg among them, find the database.
PGUSER=$(id -un)
export PGHOST=$app_folder PGDATABASE=postgres PGUSER
export JUPYTER_CONFIG_DIR=$settings JUPYTER_RUNTIME_DIR=$app_folder/runtime
umask 022 # of what the user writes, as in a job; all above is private
cd "$preferred"
exec jupyter lab --ServerApp.preferred_dir="$preferred"
