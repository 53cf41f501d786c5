"""What a session's job folder holds beyond a job's: the app's scripts and secret, the gate with its
certificate (docs/decisions/0014-sessions.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..domain.apps import App
from ..domain.jobs import JobSpec
from ..domain.scheduling import Payload
from .app_script import app_script, service_script
from .apptainer import HOME
from .gate import port_relay, program

START = ".sciserver/app.sh"
SAVE = ".sciserver/save.sh"
SECRET = ".sciserver/app.secret"  # noqa: S105 - where it is
DIRECTORY = f"{HOME}/.session"
"""Where the app's sockets are, inside the image."""

PASS_COOKIE = "__Host-pass"  # noqa: S105 - what it is called
"""The cookie by which nginx and the portal know who comes to a session's origin. The app never gets it."""

WARNING_S = 120
"""So long before the time limit Slurm sends its signal."""


@dataclass(frozen=True)
class Door:
    """What one session is guarded with. secret: the app's own; certificate, ca: PEM, see `SessionCa`;
    origin: where browsers find it, `https://<uuid>.<sessions domain>`."""

    secret: str
    certificate: str
    ca: str
    origin: str


def service_start(name: str) -> str:
    """Where the script of a service beside the app is."""
    return f".sciserver/service.{name}.sh"


def session_files(spec: JobSpec, app: App, door: Door, folder: str) -> list[Payload]:
    """The files, all 0600. `folder`: the job folder as the app sees it."""
    variables = {
        "app_socket": f"{DIRECTORY}/use.sock",
        "app_view_socket": f"{DIRECTORY}/view.sock" if app.view else "",
        "app_secret_file": f"{folder}/{SECRET}",
        "app_origin": door.origin,
        "app_folder": DIRECTORY,
        "app_port": str(app.port or ""),
    }
    scripts = [Payload(path=START, text=app_script(app.start, spec.values, variables))]
    if app.save:
        scripts.append(Payload(path=SAVE, text=app_script(app.save, spec.values, variables)))
    for one in app.services:
        text = service_script(one.command, spec.values, DIRECTORY, f"{DIRECTORY}/{one.name}.ready")
        scripts.append(Payload(path=service_start(one.name), text=text))
    if app.port:
        scripts.append(Payload(path=".sciserver/port_relay.py", text=port_relay()))
    return [
        *scripts,
        Payload(path=SECRET, text=f"{door.secret}\n"),
        Payload(path=".sciserver/gate.py", text=program()),
        Payload(path=".sciserver/gate.json", text=_settings(spec, app, door)),
        Payload(path=".sciserver/gate.pem", text=door.certificate),
        Payload(path=".sciserver/gate-ca.pem", text=door.ca),
    ]


def _settings(spec: JobSpec, app: App, door: Door) -> str:
    settings = {
        "uuid": spec.uuid,
        "ready": app.ready.model_dump(),
        "inject": app.headers(door.secret),
        "drop_cookies": [PASS_COOKIE],
        "idle": app.idle.model_dump(),
        "view": app.view,
        "save_s": app.save_s if app.save else 0,
    }
    return json.dumps(settings, indent=1) + "\n"
