"""Where the nodes of a cluster are (sinfo(1), 22.05 to 26.05)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from ..domain.errors import Unavailable

ARGUMENTS = ("--noheader", "--Node", "--all", "--format=%N %o")
"""A line for each node of each partition: its name and its NodeAddr (slurm.conf(5))."""

_FRESH = timedelta(minutes=10)
_AGAIN = timedelta(seconds=30)
"""A node that is not known is asked about so often at most: each question is the controller's."""


class NodeAddresses:
    """Remembers one answer for all nodes. `ask`: runs sinfo with ARGUMENTS."""

    def __init__(self, ask: Callable[[], str], now: Callable[[], datetime]) -> None:
        self._ask = ask
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._asked_at: datetime | None = None
        self._failure = ""

    def of(self, node: str) -> str | None:
        """The node's IP address; None for a name that is no node's. Raises Unavailable.

        While Slurm does not answer, what it said last holds, and who asks for more does not wait for it.
        """
        with self._lock:
            age = abs(self._now() - self._asked_at) if self._asked_at else None
            doubt = self._failure != "" or node not in self._known
            if age is None or age >= _FRESH or (doubt and age >= _AGAIN):
                self._renew()
            place = self._known.get(node)
            if place is None and self._failure:
                raise Unavailable("slurm", self._failure)
        return None if place is None else _ip(place)

    def _renew(self) -> None:
        try:
            self._known, self._failure = parse(self._ask()), ""
        except Unavailable as error:
            self._failure = error.detail or str(error)
        self._asked_at = self._now()


def parse(text: str) -> dict[str, str]:
    """Address by node name: an IP address or a host name. Lines of another form are left out."""
    lines = (line.split() for line in text.splitlines())
    return {line[0]: line[1] for line in lines if len(line) == 2}


def _ip(place: str) -> str:
    try:
        found = socket.getaddrinfo(place, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable("slurm", f"node address {place} leads nowhere ({error.strerror})") from error
    return str(found[0][4][0])
