"""Joining a client and the app until either is done.

One thread serves both directions of a connection: an SSL object must not be used by two at once. Neither
socket ever waits; poll(2) does.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from contextlib import suppress

from .body import Body, EndlessBody
from .connections import Connection

BUFFER = 256 << 10
"""Bytes read before they are written on."""

FREE_MAX = 4
"""Buffers kept for the next that needs one."""

LINGER_S = 10.0
"""Seconds the app may be silent once the client is gone, and a client goes on sending once the app is."""

_RECORD = 16 << 10
"""The most a TLS record holds: with room for one, nothing read stays behind in the SSL object, where
poll(2) does not see it."""

_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_SWITCHING = (b"HTTP/1.1 101", b"HTTP/1.0 101")
_NOTHING = memoryview(b"")
_free: list[bytearray] = []


class Direction:
    """From `source` to `sink`. What waits to be written holds a buffer, and nothing else does: most
    connections of a session are silent."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.pending = _NOTHING
        self.ended = False
        self._buffer: bytearray | None = None

    def read(self) -> memoryview:
        """What is there; nothing also at the end, which sets `ended`. Valid until `give`. Raises OSError."""
        self._buffer = _free.pop() if _free else bytearray(BUFFER)
        view, size = memoryview(self._buffer), 0
        while BUFFER - size >= _RECORD and not self.ended:
            try:
                count = self.source.recv_into(view[size:])
            except _AGAIN:
                break
            size += count
            self.ended = not count
        return view[:size]

    def give(self, data: memoryview) -> int:
        """Write what can be written of this; the rest is `pending`. The bytes written. Raises OSError."""
        written = 0
        try:
            while data:
                count = self.sink.send(data)
                data = data[count:]
                written += count
        except _AGAIN:
            pass
        self.pending = data
        if not data:
            self.release()
        return written

    def release(self) -> None:
        """Forget what waits to be written."""
        self.pending = _NOTHING
        if self._buffer is not None:
            if len(_free) < FREE_MAX:
                _free.append(self._buffer)
            self._buffer = None


class Relay:
    """One request of a client, and the app's answer."""

    def __init__(self, connection: Connection, app: socket.socket, body: Body, early: bytes) -> None:
        """`early`: what came behind the head; `body`: how much of that, and of the rest, the app may see."""
        self._connection = connection
        self._client = connection.client
        self._app = app
        self._up = Direction(connection.client, app)
        self._down = Direction(app, connection.client)
        self._body = body
        self._early = early
        self._first = b""
        self._held = isinstance(body, EndlessBody)
        """A WebSocket's bytes wait until the app agreed to be one: else it would read them as a next
        request."""

        self._deaf = False
        """The app takes no more."""

    def run(self) -> bool:
        """Until either is done; False: the client may not know that yet, and still send. Raises OSError,
        BrokenBody."""
        self._client.setblocking(False)
        self._app.setblocking(False)
        try:
            if not self._held:
                self._begin()
            while not (self._down.ended and not self._down.pending):
                if not self._turn():
                    break
        finally:
            self._up.release()
            self._down.release()
        return self._up.ended or self._body.done

    def _begin(self) -> None:
        early = memoryview(self._early)
        self._give_up(early[: self._body.take(early)])

    def _turn(self) -> bool:
        """Wait, then move what can be moved; False when the app has been silent for too long behind a
        client that is gone."""
        of_client, of_app = self._wanted_of_client(), self._wanted_of_app()
        poll = select.poll()
        for end, wanted in ((self._client, of_client), (self._app, of_app)):
            if wanted:  # else a hang-up, which poll(2) tells unasked, would be told again and again
                poll.register(end, wanted)
        ready = dict(poll.poll(LINGER_S * 1000 if self._up.ended else None))
        self._serve_app(_events(ready, self._app, of_app))
        self._serve_client(_events(ready, self._client, of_client))
        return bool(ready)

    def _wanted_of_client(self) -> int:
        reading = not (self._up.pending or self._up.ended)
        incoming = select.POLLRDHUP if self._held else select.POLLIN
        return (incoming if reading else 0) | (select.POLLOUT if self._down.pending else 0)

    def _wanted_of_app(self) -> int:
        reading = not (self._down.pending or self._down.ended)
        return (select.POLLIN if reading else 0) | (select.POLLOUT if self._up.pending else 0)

    def _serve_app(self, events: int) -> None:
        if events & select.POLLOUT:
            self._give_up(self._up.pending)
        if events & select.POLLIN:
            try:
                data = self._down.read()
            except OSError:  # it went without reading all it was sent
                self._down.ended = True
                data = _NOTHING
            if self._held:
                self._look_at_answer(data)
            self._connection.bytes_out += self._down.give(data)

    def _serve_client(self, events: int) -> None:
        if events & select.POLLRDHUP:
            raise ConnectionError("it went before the app agreed to a WebSocket")
        if events & select.POLLOUT:
            self._connection.bytes_out += self._down.give(self._down.pending)
        if events & select.POLLIN:
            data = self._up.read()
            if data:
                self._connection.heard(len(data))
            self._give_up(data[: self._body.take(data)])

    def _give_up(self, data: memoryview) -> None:
        try:
            self._up.give(_NOTHING if self._deaf else data)
        except OSError:  # what it answered may still be there to be read
            self._deaf = True
            self._up.release()
        if self._up.ended and not self._up.pending:
            with suppress(OSError):
                self._app.shutdown(socket.SHUT_WR)

    def _look_at_answer(self, data: memoryview) -> None:
        self._first += bytes(data[: len(_SWITCHING[0]) - len(self._first)])
        if len(self._first) < len(_SWITCHING[0]):
            return
        self._held = False
        if self._first in _SWITCHING:
            self._begin()
        else:
            self._body = Body(0)


def _events(ready: dict[int, int], end: socket.socket, wanted: int) -> int:
    """What to try: all that was wanted where the end hung up, since trying tells what happened."""
    told = ready.get(end.fileno(), 0)
    return (told & wanted) or (wanted if told else 0)


def leave(client: ssl.SSLSocket, *, quiet: bool) -> None:
    """Say good-bye and, unless the client is `quiet` already, read on for a while: closing before all was
    read would take the answer from it."""
    with suppress(OSError):
        client.setblocking(False)
        with suppress(*_AGAIN):
            client.unwrap()
        socket.socket.shutdown(client, socket.SHUT_WR)
        until = time.monotonic() + LINGER_S
        while not quiet and (left := until - time.monotonic()) > 0:
            client.settimeout(left)
            if not socket.socket.recv(client, _RECORD):
                break
