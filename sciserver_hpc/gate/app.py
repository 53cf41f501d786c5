"""The app's sockets, in the directory the gate works in: their names are short there, as those of sockets
must be."""

from __future__ import annotations

import socket
import struct
import threading
import time

from .head import END_OF_HEAD
from .settings import Settings

USE, VIEW = "use.sock", "view.sock"
CONNECT_S = 5
"""Seconds to wait for room among those the app has not accepted yet."""

REFUSED = threading.Event()
"""The app's socket refused somebody, or was not there."""

_GONE = (ConnectionRefusedError, FileNotFoundError)
ANSWER_S = 5.0
ANSWER_MAX = 1 << 20
"""Seconds and bytes of an answer to the gate's own question."""


def connected(name: str) -> socket.socket:
    """A connection to the app. Raises OSError."""
    app = socket.socket(socket.AF_UNIX)
    try:
        # Not settimeout: a socket that may not wait is told EAGAIN at once where the app's queue is full.
        app.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", CONNECT_S, 0))
        app.connect(name)
    except OSError as error:
        app.close()
        if isinstance(error, _GONE):
            REFUSED.set()
        raise
    return app


def is_gone() -> bool:
    """Is nobody there to accept a connection?"""
    try:
        connected(USE).close()
    except _GONE:
        return True
    except OSError:
        return False
    return False


def ask(settings: Settings, path: bytes) -> tuple[int, bytes]:
    """Status and body of GET `path`. Raises OSError, ValueError.

    HTTP/1.0, so that the body is all that follows until the end (RFC 9112, sections 6.1 and 6.3).
    """
    lines = [b"GET " + path + b" HTTP/1.0", b"Host: localhost", b"Accept: */*", *settings.names.injected()]
    until = time.monotonic() + ANSWER_S
    answer = b""
    with connected(USE) as app:
        app.settimeout(ANSWER_S)
        app.sendall(b"\r\n".join(lines) + END_OF_HEAD)
        while len(answer) < ANSWER_MAX and (left := until - time.monotonic()) > 0:
            app.settimeout(left)
            data = app.recv(64 << 10)
            if not data:
                return _parsed(answer)
            answer += data
    raise TimeoutError("the app's answer had no end")


def _parsed(answer: bytes) -> tuple[int, bytes]:
    head, _, body = answer.partition(END_OF_HEAD)
    version, status = head.split(b"\r\n", 1)[0].split(b" ", 2)[:2]
    if not version.startswith(b"HTTP/1."):
        raise ValueError("the app does not speak HTTP")
    return int(status), body
