"""Accepting connections, one thread each: shaking hands, then what the peer's name allows."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from .app import USE, VIEW, connected
from .body import Body, BrokenBody, ChunkedBody, EndlessBody
from .connections import Connection, Connections
from .control import LINE_MAX, Control
from .door import BROKER, HANDSHAKE_S, PROXY, Refusals, name_of, reason
from .head import END_OF_HEAD, HEAD_MAX, Head, RefusedRequest
from .relay import Relay, leave
from .settings import Settings

HEAD_S = 10.0
"""Seconds until a request's head, or the broker's line, is there."""

QUEUE = 256
STACK = 1 << 20
"""Bytes of a thread's stack; what is not used of them costs nothing."""

_KEEPALIVE_S = 60
_ACCEPT_AGAIN_S = 0.1
_READ = 16 << 10


class Server:
    """What comes to `listener`."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        context: ssl.SSLContext,
        connections: Connections,
        control: Control,
        end: Callable[[int], None],
    ) -> None:
        """`end` takes an exit code."""
        self._settings = settings
        self._listener = listener
        self._context = context
        self._connections = connections
        self._control = control
        self._end = end
        self._refusals = Refusals()

    def start(self) -> None:
        """Listen from now on, in threads of its own. Raises OSError."""
        threading.stack_size(STACK)
        self._listener.listen(QUEUE)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, address = self._listener.accept()
            except OSError:  # there is no descriptor left
                time.sleep(_ACCEPT_AGAIN_S)
                continue
            with suppress(OSError):  # it has gone again
                self._receive(peer, address[0], address[1])

    def _receive(self, peer: socket.socket, address: str, port: int) -> None:
        """Raises OSError."""
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S)
        client = self._context.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
        connection = Connection(client, address, port)
        self._connections.arrive(connection)
        try:
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()
        except RuntimeError:  # there is no thread left
            self._connections.leave(connection)

    def _attend(self, connection: Connection) -> None:
        try:
            name = self._shake_hands(connection)
            if name == PROXY:
                self._relay(connection)
            elif name == BROKER:
                self._obey(connection)
        except (OSError, BrokenBody):
            pass  # the other side is gone, or speaks something else: nobody to tell
        finally:
            self._connections.leave(connection)

    def _shake_hands(self, connection: Connection) -> str:
        """Who it is; "" for somebody to be left alone. Raises OSError."""
        connection.client.settimeout(HANDSHAKE_S)
        try:
            connection.client.do_handshake()
        except OSError as error:
            self._refuse(connection, reason(error))
            raise
        name = name_of(connection.client)
        if name not in (PROXY, BROKER):
            self._refuse(connection, f"its certificate is {name!r}'s")
            return ""
        if not self._connections.know(connection, always=name == BROKER):
            self._refuse(connection, "there are too many connections")
            return ""
        return name

    def _refuse(self, connection: Connection, why: str) -> None:
        self._refusals.tell(f"{connection.address} port {connection.port}", why)

    def _obey(self, connection: Connection) -> None:
        line, end, _ = _until(connection.client, b"\n", LINE_MAX)
        if not end:
            return
        answer, code = self._control.answer(line)
        connection.client.sendall(answer)
        leave(connection.client, quiet=True)
        if code is not None:
            self._end(code)

    def _relay(self, connection: Connection) -> None:
        raw, end, early = _until(connection.client, END_OF_HEAD, HEAD_MAX)
        try:
            if not end:
                raise RefusedRequest(
                    "431 Request Header Fields Too Large", "The head is too long or came too late."
                )
            head = Head(raw + end)
            app = self._reach(connection, head)
        except RefusedRequest as refused:
            connection.client.sendall(_answer(refused))
            leave(connection.client, quiet=False)
            return
        connection.heard(len(raw) + len(early))
        app.sendall(head.rewritten(self._settings.names))
        quiet = Relay(connection, app, _body(head), early).run()
        leave(connection.client, quiet=quiet)

    def _reach(self, connection: Connection, head: Head) -> socket.socket:
        """A connection to the socket of the request's mode. Raises RefusedRequest."""
        sockets = {b"use": USE, b"view": VIEW} if self._settings.view else {b"use": USE}
        if head.mode not in sockets:
            raise RefusedRequest("403 Forbidden", "This session cannot be entered so.")
        if not self._connections.enter(connection, head.pass_id):
            raise RefusedRequest("403 Forbidden", "The pass is no longer good.")
        try:
            app = connected(sockets[head.mode])
        except OSError as error:
            raise RefusedRequest("502 Bad Gateway", "The app of this session does not answer.") from error
        self._connections.join(connection, app)
        return app


def _body(head: Head) -> Body:
    if head.upgrade:
        return EndlessBody()
    return ChunkedBody() if head.length is None else Body(head.length)


def _until(client: ssl.SSLSocket, end: bytes, limit: int) -> tuple[bytes, bytes, bytes]:
    """What comes before `end`, `end` (or nothing, when it is not among the first bytes), and what came
    behind it. Raises OSError."""
    until = time.monotonic() + HEAD_S
    data = b""
    while end not in data and len(data) < limit and (left := until - time.monotonic()) > 0:
        client.settimeout(left)
        with suppress(socket.timeout):  # TimeoutError is another one before Python 3.10
            more = client.recv(_READ)
            if not more:
                raise ConnectionError("it went without a word")
            data += more
    before, found, behind = data.partition(end)
    return (before, found, behind) if len(before) <= limit else (before, b"", behind)


def _answer(refused: RefusedRequest) -> bytes:
    text = f"{refused}\n"
    head = f"HTTP/1.1 {refused.status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
    return f"{head}Cache-Control: no-store\r\nConnection: close\r\n\r\n{text}".encode("ascii")
