"""nginx in front: TLS, static files, and everything else to gunicorn's unix socket."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from pathlib import Path

from . import ca, settings
from .accounts import owner
from .daemon import Daemon
from .namespace import Command, Namespace
from .state import State, directory
from .templates import OWN, render

USER = "www-data"


def prepare(namespace: Namespace) -> None:
    """Write nginx.conf and make its directories."""
    state, ids = namespace.state, owner(namespace.state, USER)
    certificate, key = ca.certificate(state, "nginx", ids)
    run = directory(state.run / "nginx", 0o700, ids)
    proxy = directory(run / "sessions", 0o700, ids)
    for name in ("ca.pem", "proxy.pem", "proxy.key"):
        copy = Path(shutil.copy(settings.sessions_ca(state) / name, proxy))
        os.chown(copy, *ids)
        copy.chmod(0o600)
    conf = render(
        OWN, "nginx.conf.j2", port=_port(state), certificate=certificate, key=key, run=run,
        static=state.src / "portal" / "static", socket=settings.socket(state), portal=settings.url(state),
        sessions_host=settings.sessions_domain(state).partition(":")[0].replace(".", r"\."),
        proxy=proxy,
    )  # fmt: skip
    State.write(state.etc / "nginx.conf", conf)


def daemon(namespace: Namespace) -> Daemon:
    """nginx in the foreground, as an ordinary account."""
    state = namespace.state
    argv = ["nginx", "-c", str(state.etc / "nginx.conf"), "-e", "stderr"]
    return Daemon("nginx", Command(argv, user=USER), lambda: ours(state), workers=True)


def _port(state: State) -> int:
    return state.port("nginx", 8443)


def ours(state: State) -> bool:
    """Whether the one who answers at the port shows our certificate: another program may have taken it."""
    trust = ssl.create_default_context(cafile=str(ca.authority(state)))
    address = ("127.0.0.1", _port(state))
    try:
        with socket.create_connection(address, timeout=2) as plain:
            trust.wrap_socket(plain, server_hostname="localhost").close()
    except OSError:
        return False
    return True
