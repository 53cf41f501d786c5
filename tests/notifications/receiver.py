"""A receiver of webhooks behind real sockets: what came, and an answer byte by byte."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Receiver:
    """`posts`: headers and body of each. answer: what is sent back; drip_s: seconds before each byte."""

    port: int = 0
    answer: bytes = OK
    drip_s: float = 0
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    connections: int = 0


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """One on a free port of 127.0.0.1."""
    receiver = Receiver()
    listener = socket.create_server(("127.0.0.1", 0))
    receiver.port = listener.getsockname()[1]
    thread = threading.Thread(target=_serve, args=(listener, receiver, tls))
    thread.start()
    try:
        yield receiver
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _serve(listener: socket.socket, receiver: Receiver, tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        receiver.connections += 1
        with suppress(OSError), plain:
            plain.settimeout(5)
            line = tls.wrap_socket(plain, server_side=True) if tls else plain
            with line:
                _answer(line, receiver)


def _answer(line: socket.socket, receiver: Receiver) -> None:
    with line.makefile("rb") as incoming:
        receiver.lines.append(incoming.readline().decode("latin-1").strip())
        headers = {}
        while (text := incoming.readline().decode("latin-1").strip()) != "":
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        receiver.posts.append((headers, incoming.read(int(headers.get("content-length", 0)))))
        if not receiver.drip_s:
            line.sendall(receiver.answer)
            return
        for byte in receiver.answer:
            time.sleep(receiver.drip_s)
            line.sendall(bytes([byte]))
