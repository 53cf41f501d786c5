"""A nudge from the portal to the broker: an empty datagram to a unix socket in the runtime directory."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

SOCKET_NAME = "broker.wake"


class DatagramWaker:
    """The portal's end. Never waits and never fails: without a nudge the broker looks at its next tick."""

    def __init__(self, runtime_dir: Path) -> None:
        self._path = str(runtime_dir / SOCKET_NAME)

    def wake(self) -> None:
        """Send a nudge."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
            sender.setblocking(False)
            sender.sendto(b"", self._path)


class WakeListener:
    """The broker's end: a context manager that binds the socket, replacing one a dead broker left."""

    def __init__(self, runtime_dir: Path) -> None:
        self._path = runtime_dir / SOCKET_NAME
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def wait(self, seconds: float) -> bool:
        """Wait for a nudge, at most `seconds`; True when one came. Nudges that came meanwhile count as one."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            self._socket.recv(16)
        except TimeoutError:
            return False
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(16)
        return True
