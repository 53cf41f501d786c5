"""A VNC client, as far as a keyboard and a mouse go (RFC 6143), behind a WebSocket."""

from __future__ import annotations

import struct

from .websocket import WebSocket

NO_SECURITY = 1


class Screen:
    """What `socket` shows."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self._bytes = b""
        assert self._take(12).startswith(b"RFB 003.")
        self.socket.send(b"RFB 003.008\n")
        assert NO_SECURITY in self._take(self._take(1)[0])
        self.socket.send(bytes([NO_SECURITY]))
        assert self._take(4) == bytes(4)
        self.socket.send(b"\1")  # shared with others
        self.size: tuple[int, int] = struct.unpack(">HH", self._take(4))
        self._take(16)
        self._take(*struct.unpack(">I", self._take(4)))

    def point(self, x: int, y: int) -> None:
        self.socket.send(struct.pack(">BBHH", 5, 0, x, y))

    def press(self, key: int) -> None:
        for down in (1, 0):
            self.socket.send(struct.pack(">BBxxI", 4, down, key))

    def _take(self, size: int) -> bytes:
        while len(self._bytes) < size:
            self._bytes += self.socket.receive()
        taken, self._bytes = self._bytes[:size], self._bytes[size:]
        return taken
