# JupyterLab's terminal, alone on the page, on a unix socket. The server reads its token itself, from the secret's file.
set -eu
readonly settings=$app_folder/jupyter
mkdir -p "$settings/workspaces" "$settings/labconfig" "$app_folder/runtime"

cat >"$settings/jupyter_server_config.py" <<'PYTHON'
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
c = get_config()
# Taken out of the environment, which terminals inherit.
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
c.KernelSpecManager.allowed_kernelspecs = {"none"}
c.KernelSpecManager.ensure_native_kernel = False
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
PYTHON

# It would ask everybody, in each session, whether it may fetch news.
cat >"$settings/labconfig/page_config.json" <<'JSON'
{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}
JSON

cat >"$settings/sciserver_activity.py" <<'PYTHON'
"""Tells when the session was last used: when a terminal read or printed something."""

from jupyter_server._tz import isoformat
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join


class Activity(JupyterHandler):
    @allow_unauthenticated
    async def get(self):
        self.finish({"last_activity": isoformat(self.application.last_activity())})


def _jupyter_server_extension_points():
    return [{"module": "sciserver_activity"}]


def _load_jupyter_server_extension(server):
    APIHandler._track_activity = False  # a page that is open asks without anybody looking at it
    path = url_path_join(server.web_app.settings["base_url"], "sciserver/activity")
    server.web_app.add_handlers(".*$", [(path, Activity)])
PYTHON

# What JupyterLab shows first. The name is its own for the workspace `default`.
cat >"$settings/workspaces/default-37a8.jupyterlab-workspace" <<'JSON'
{"metadata": {"id": "default"},
 "data": {
  "layout-restorer:data": {
   "main": {"dock": {"type": "tab-area", "currentIndex": 0, "widgets": ["terminal:1"]}, "current": "terminal:1"},
   "down": {"size": 0, "widgets": []},
   "left": {"collapsed": true, "visible": false, "widgets": []},
   "right": {"collapsed": true, "visible": false, "widgets": []},
   "relativeSizes": [0, 1, 0],
   "top": {"simpleVisibility": false}},
  "terminal:1": {"data": {"name": "1"}}}}
JSON

folder=/home/idies/workspace
if [ -d "${value_folder:-}" ]; then
    folder=$value_folder
fi
export APP_SECRET_FILE=$app_secret_file APP_SOCKET=$app_socket APP_ORIGIN=$app_origin
export JUPYTER_CONFIG_DIR=$settings JUPYTER_RUNTIME_DIR=$app_folder/runtime
export JUPYTERLAB_WORKSPACES_DIR=$settings/workspaces
umask 022 # of what the user writes, as in a job; all above is private
cd "$folder"
exec jupyter lab --ServerApp.preferred_dir="$folder"
