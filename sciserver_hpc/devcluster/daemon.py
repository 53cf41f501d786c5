"""A daemon of the cluster: how it starts, and how one knows that it answers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from .errors import Failed
from .namespace import Command
from .processes import Process, Records, end, orphans, wait
from .state import State


@dataclass(frozen=True)
class Daemon:
    """One process that stays in the foreground.

    `ready` says whether it answers; `patience` is how many seconds it may take until then.
    """

    name: str
    command: Command
    ready: Callable[[], bool]
    patience: float = 30
    workers: bool = False
    """Whether it has workers that outlive it when it is killed, and hold its socket."""


class Host(Protocol):
    """Where daemons run: the cluster's namespace, or the machine as it is."""

    @property
    def state(self) -> State: ...
    @property
    def records(self) -> Records: ...
    def spawn(self, name: str, command: Command, log: IO[bytes]) -> Process | None:
        """Start a process that stays and record it; None when it ended at once."""
        ...


def start(host: Host, daemon: Daemon) -> bool:
    """Start `daemon` unless it lives and answers; return whether it was started.

    Raises Failed when it ends at once or does not answer in time: it is ended again then.
    """
    live = host.records.live().get(daemon.name)
    if live and daemon.ready():
        return False
    if live:
        end([live])
    if daemon.workers:
        end([left for dead in host.records.all() if dead.name == daemon.name for left in orphans(dead)])
    log = host.state.logs / f"{daemon.name}.log"
    with log.open("ab") as file:
        started = host.spawn(daemon.name, daemon.command, file)
    if started is None or not wait(lambda: not started.alive or daemon.ready(), daemon.patience):
        end([started] if started else [])
        raise Failed(daemon.name, f"no answer within {daemon.patience:.0f} s", _AGAIN, log)
    if not started.alive:
        host.records.forget([daemon.name])
        raise Failed(daemon.name, "it ended right after its start", _AGAIN, log)
    return True


def listens(port: int) -> bool:
    """Whether somebody accepts connections at 127.0.0.1:`port`."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def answers(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    """Whether somebody holds the unix socket `path`."""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


_AGAIN = "mend what the log says, then run ./dev up again; what already runs stays"
