"""Who is connected: strangers that shake hands, and known peers, by the pass they came with."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

STRANGERS_MAX = 64
KNOWN_MAX = 400
"""Each holds two descriptors, and 1024 is what a process may open by default."""

CLOSED_MAX = 100_000
"""Closed passes that are remembered."""


class Connection:
    """One client, from a port of an address; `app` once it is joined to it."""

    __slots__ = ("address", "app", "bytes_in", "bytes_out", "client", "last_heard", "pass_id", "port")

    def __init__(self, client: ssl.SSLSocket, address: str, port: int) -> None:
        self.client = client
        self.address = address
        self.port = port
        self.app: socket.socket | None = None
        self.pass_id: int | None = None
        self.bytes_in = 0
        self.bytes_out = 0
        self.last_heard = 0.0

    def heard(self, count: int) -> None:
        """The client sent something for the app."""
        self.bytes_in += count
        self.last_heard = time.monotonic()

    def shut(self) -> None:
        """End it at once, from any thread: both sockets, past TLS, whose object belongs to the connection's
        own."""
        for end in (self.client, self.app):
            if end is not None:
                with suppress(OSError):
                    socket.socket.shutdown(end, socket.SHUT_RDWR)


class Connections:
    """All of them; safe for several threads.

    Strangers beyond STRANGERS_MAX cost the one of them that waits longest, at the address most of them come
    from: who floods the gate keeps nobody else out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._strangers: dict[Connection, None] = {}
        self._known: dict[Connection, None] = {}
        self._closed: dict[int, None] = {}
        self._bytes_in = self._bytes_out = 0
        self._last_heard = time.monotonic()

    def arrive(self, connection: Connection) -> None:
        """A stranger."""
        with self._lock:
            if len(self._strangers) >= STRANGERS_MAX:
                self._turn_away()
            self._strangers[connection] = None

    def _turn_away(self) -> None:
        addresses = [connection.address for connection in self._strangers]
        most = max(addresses, key=addresses.count)
        oldest = next(connection for connection in self._strangers if connection.address == most)
        del self._strangers[oldest]
        oldest.shut()

    def know(self, connection: Connection, *, always: bool) -> bool:
        """Its hands were shaken; False when there are too many already, unless it is to come in `always`."""
        with self._lock:
            self._strangers.pop(connection, None)
            if len(self._known) >= KNOWN_MAX and not always:
                return False
            self._known[connection] = None
            return True

    def enter(self, connection: Connection, pass_id: int) -> bool:
        """It uses a pass; False for one that was closed, though nginx may have asked just before it was."""
        with self._lock:
            connection.pass_id = pass_id
            return pass_id not in self._closed

    def join(self, connection: Connection, app: socket.socket) -> None:
        """It reached the app; where its pass was closed meanwhile it ends at once."""
        with self._lock:
            connection.app = app
            if connection.pass_id in self._closed:
                connection.shut()

    def leave(self, connection: Connection) -> None:
        """It is over. Its sockets are closed here, so that none is shut by a number that is another's by
        then."""
        with self._lock:
            self._strangers.pop(connection, None)
            self._known.pop(connection, None)
            self._bytes_in += connection.bytes_in
            self._bytes_out += connection.bytes_out
            self._last_heard = max(self._last_heard, connection.last_heard)
            connection.client.close()
            if connection.app is not None:
                connection.app.close()

    def close(self, passes: Iterable[int]) -> int:
        """End all that use these passes, now and later; how many there were."""
        wanted = set(passes)
        with self._lock:
            self._closed.update(dict.fromkeys(wanted))
            while len(self._closed) > CLOSED_MAX:
                del self._closed[next(iter(self._closed))]
            found = [connection for connection in self._known if connection.pass_id in wanted]
            for connection in found:
                connection.shut()
        return len(found)

    def last_heard(self) -> float:
        """When a client last sent something for the app (time.monotonic)."""
        with self._lock:
            return max([self._last_heard, *(connection.last_heard for connection in self._known)])

    def figures(self) -> dict[str, object]:
        """The part of the status that is about connections."""
        passes: dict[str, int] = {}
        with self._lock:
            for connection in self._known:
                if connection.pass_id is not None:
                    name = str(connection.pass_id)
                    passes[name] = passes.get(name, 0) + 1
            bytes_in = self._bytes_in + sum(connection.bytes_in for connection in self._known)
            bytes_out = self._bytes_out + sum(connection.bytes_out for connection in self._known)
        return {"passes": passes, "bytes_in": bytes_in, "bytes_out": bytes_out}
