"""A WebSocket client on a unix socket (RFC 6455), enough for one conversation."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
TIMEOUT_S = 60


class WebSocket:
    """`headers`: whole lines. Raises ConnectionError when the server does not take the upgrade."""

    def __init__(self, path: Path, target: str, headers: Sequence[str] = (), protocol: str = "") -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        try:
            self._connect(path, target, headers, protocol)
        except BaseException:
            self.close()
            raise

    def _connect(self, path: Path, target: str, headers: Sequence[str], protocol: str) -> None:
        self._socket.connect(str(path))
        lines = [
            f"GET {target} HTTP/1.1",
            "Host: session.example.org",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            *([f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []),
            *headers,
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._exactly(1)
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise ConnectionError(head.decode())

    def send(self, data: str | bytes) -> None:
        """One message: text or bytes."""
        if isinstance(data, str):
            self._frame(TEXT, data.encode())
        else:
            self._frame(BINARY, data)

    def receive(self) -> bytes:
        """The next message. Raises ConnectionError at the server's close, TimeoutError when it only pings."""
        message, deadline = b"", monotonic() + TIMEOUT_S
        while monotonic() < deadline:
            first, second = self._exactly(2)
            size = second & 127
            if size == 126:
                (size,) = struct.unpack(">H", self._exactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._exactly(8))
            data, code = self._exactly(size), first & 15
            if code == CLOSE:
                raise ConnectionError("closed")
            if code == PING:
                self._frame(PONG, data)
            elif code != PONG:
                message += data
                if first & 128:
                    return message
        raise TimeoutError("no message came")

    def close(self) -> None:
        self._socket.close()

    def _frame(self, code: int, data: bytes) -> None:
        mask, size = os.urandom(4), len(data)
        length = bytes([128 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self._socket.sendall(bytes([128 | code]) + length + mask + masked)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise ConnectionError("cut off")
            data += part
        return data
