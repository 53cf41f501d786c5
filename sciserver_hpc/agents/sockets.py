"""The port `Agents`: agents behind unix sockets, and a pool of connections to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..domain.errors import AgentError, Refused, SciServerError, Unavailable
from ..domain.scheduling import Owner
from .agent import SocketAgent
from .connection import Connection, Lost, NotSent, Unreachable
from .options import AgentOptions
from .patience import Patience
from .starter import Starter
from .transports import Transport

KEPT = 4
"""Connections to one agent kept open between calls."""


class SocketAgents:
    """Starts agents by `transport` with their sockets in `<runtime_dir>/agents` (0700).

    Several processes may share a runtime_dir: they share the agents. Raises ValueError when the path is too
    long for a unix socket.
    """

    def __init__(self, runtime_dir: Path, transport: Transport, options: AgentOptions | None = None) -> None:
        self._options = options or AgentOptions()
        self._patience = Patience()
        self._starter = Starter(runtime_dir / "agents", transport, self._options, self._patience)
        self._kept: dict[int, list[Connection]] = {}
        self._lock = threading.Lock()

    def of(self, owner: Owner) -> SocketAgent:
        """The agent of `owner`, started at its first call.

        Raises Refused for a system account.
        """
        if owner.uid < self._options.min_uid:
            reason = f"uid {owner.uid} is a system account (below {self._options.min_uid}); no jobs run as it"
            raise Refused({f"user {owner.username}": reason})

        def call(request: dict[str, object], timeout_s: float, repeatable: bool) -> tuple[object, bytes]:
            return self._call(owner, request, timeout_s, repeatable)

        return SocketAgent(owner, call, self._options.timeout_s)

    def ping(self, owner: Owner) -> str:
        """Greet, starting the agent where needed.

        Raises Refused, Unavailable.
        """
        self.of(owner)
        connection, hello = self._starter.connect(owner)
        self._keep(owner.uid, connection)
        return f"agent of {hello.username} answers as uid {hello.uid} (pid {hello.pid})"

    def close(self) -> None:
        """Hang up, and end the agents this process started."""
        for uid in list(self._kept):
            self._hang_up(uid)
        self._starter.stop()

    def _call(
        self, owner: Owner, request: dict[str, object], timeout_s: float, repeatable: bool
    ) -> tuple[object, bytes]:
        """Once, and once more where the first try certainly did nothing, or may be repeated."""
        try:
            return self._once(owner, request, timeout_s)
        except Unreachable:
            raise
        except NotSent:
            return self._once(owner, request, timeout_s)
        except Lost as lost:
            if lost.timed_out or not repeatable:
                raise
            return self._once(owner, request, timeout_s)

    def _once(self, owner: Owner, request: dict[str, object], timeout_s: float) -> tuple[object, bytes]:
        with self._connection(owner) as connection:
            return connection.call(request, timeout_s)

    @contextmanager
    def _connection(self, owner: Owner) -> Iterator[Connection]:
        """A connection for one call.

        Raises Unreachable, Refused.
        """
        connection = self._ready(owner)
        try:
            yield connection
        except (NotSent, Lost) as error:
            connection.close()
            self._hang_up(owner.uid)  # the others lead to the same agent
            if isinstance(error, Lost) and error.timed_out:
                self._patience.lost(owner.uid)
            raise
        except SciServerError:
            self._keep(owner.uid, connection)
            raise
        self._patience.regained(owner.uid)
        self._keep(owner.uid, connection)

    def _ready(self, owner: Owner) -> Connection:
        try:
            self._patience.demand(owner.uid)
            return self._take(owner.uid) or self._starter.connect(owner)[0]
        except Unavailable as error:
            raise Unreachable(error.detail) from error
        except AgentError as error:
            raise Unreachable(str(error)) from error

    def _take(self, uid: int) -> Connection | None:
        with self._lock:
            kept = self._kept.get(uid, [])
            while kept:
                connection = kept.pop()
                if self._is_fresh(connection) and connection.is_quiet():
                    return connection
                connection.close()
        return None

    def _hang_up(self, uid: int) -> None:
        with self._lock:
            connections = self._kept.pop(uid, [])
        for connection in connections:
            connection.close()

    def _is_fresh(self, connection: Connection) -> bool:
        """Well before the agent would end for idleness, so that it does not end under a request."""
        return time.monotonic() - connection.used_at < self._options.idle_s / 2

    def _keep(self, uid: int, connection: Connection) -> None:
        """Put back; let go of what has been idle for long, so that agents nobody needs may end."""
        with self._lock:
            self._kept.setdefault(uid, []).append(connection)
            for kept in self._kept.values():
                stale = [old for old in kept if not self._is_fresh(old)]
                for old in [*stale, *[c for c in kept if c not in stale][:-KEPT]]:
                    kept.remove(old)
                    old.close()
            self._kept = {uid: kept for uid, kept in self._kept.items() if kept}
