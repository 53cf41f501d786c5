"""A small web app on a unix socket, and what it was sent."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Handler = Callable[[socket.socket, "Request"], None]

OK = b"HTTP/1.1 200 OK\r\n"
CLOSE = b"Connection: close\r\n\r\n"


class Request:
    """A head as it came, and what came with it."""

    def __init__(self, peer: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = peer.recv(65536)
            if not more:
                raise ConnectionError
            data += more
        self.head, _, self.rest = data.partition(b"\r\n\r\n")
        self.line, *self.lines = self.head.split(b"\r\n")
        self.path = self.line.split(b" ")[1].decode()

    def all(self, name: str) -> list[str]:
        """The values of a header, whatever its capitals."""
        pairs = [line.decode("latin-1").split(":", 1) for line in self.lines]
        return [value.strip() for found, value in pairs if found.lower() == name.lower()]


def everything(peer: socket.socket) -> bytes:
    """What still comes, until the other side ends."""
    data = bytearray()
    with suppress(ConnectionResetError):
        while more := peer.recv(1 << 20):
            data += more
    return bytes(data)


def answer(peer: socket.socket, body: bytes, status: bytes = b"200 OK") -> None:
    """One that is whole."""
    peer.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body) + CLOSE + body)


def hello(peer: socket.socket, request: Request) -> None:
    """The path back."""
    answer(peer, request.path.encode())


def echo(peer: socket.socket, request: Request) -> None:
    """The body back, read by its length."""
    length = int(request.all("Content-Length")[0])
    body = bytearray(request.rest)
    while len(body) < length:
        body += peer.recv(1 << 20)
    answer(peer, bytes(body))


def websocket(peer: socket.socket, request: Request) -> None:
    """Agree to be one (RFC 6455), then send back whatever comes, and say so at the end."""
    [key] = request.all("Sec-WebSocket-Key")
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    peer.sendall(head + b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n" + request.rest)
    while data := peer.recv(65536):
        peer.sendall(data)


class App:
    """Listens at `path`; `handlers` by path of the request, `hello` for all others."""

    def __init__(self, path: Path) -> None:
        self.handlers: dict[str, Handler] = {"/echo": echo, "/ws": websocket}
        self.requests: list[Request] = []
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._attend, args=(peer,), daemon=True).start()

    def _attend(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            request = Request(peer)
            if request.path != "/ready":
                self.requests.append(request)
            self.handlers.get(request.path, hello)(peer, request)

    def seen(self) -> Request:
        """The one request it was sent, besides those of the gate's own."""
        [request] = self.requests
        return request

    def close(self) -> None:
        """Refuse connections from now on; those that are open stay."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
