"""The broker: brings accepted jobs to Slurm and watches them, under the service account."""

from __future__ import annotations

import socket

from ..waking import SOCKET_NAME
from .daemon import Daemon, answers
from .namespace import Namespace
from .portal import service
from .state import State


def daemon(namespace: Namespace) -> Daemon:
    """The loop, once it holds the socket on which it is woken."""
    return Daemon("broker", service(namespace, "broker"), lambda: wakes(namespace.state))


def wakes(state: State) -> bool:
    """Whether a broker holds its socket."""
    return answers(state.run / "sciserver" / SOCKET_NAME, socket.SOCK_DGRAM)
