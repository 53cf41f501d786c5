"""A nudge from the portal to the broker: an empty datagram to a unix socket in the runtime directory."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

SOCKET_NAME = "broker.wake"


class DatagramWaker:
    """The portal's end; `broker.loop.WakeSocket` is the other. Never waits and never fails: a broker that
    gets no nudge looks at its next tick."""

    def __init__(self, runtime_dir: Path) -> None:
        self._path = str(runtime_dir / SOCKET_NAME)

    def wake(self) -> None:
        """Send a nudge."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
            sender.setblocking(False)
            sender.sendto(b"", self._path)
