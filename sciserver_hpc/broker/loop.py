"""Turning the broker for ever: one leader, woken by the portal, patient with what is away."""

from __future__ import annotations

import os
import select
import socket
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog

from ..domain.errors import Unavailable
from ..ports import Clock, Store
from .tick import Broker, TickReport

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=15)
"""How long a leader that died stays leader. Renewed at every turn."""

MAX_PAUSE_S = 30.0
"""Longest wait between two tries while the database is away."""


class WakeSocket:
    """A datagram socket at `path` (mode 0600): any datagram means that there is work.

    It is bound by the broker that leads; one that stands by must not take the leader's wake-ups.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._inode = 0

    def open(self) -> None:
        """Bind, in the place of a leader that died."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        self._inode = self._path.stat().st_ino

    def wait(self, seconds: float) -> None:
        """Return when woken, or after `seconds`; all waiting wake-ups are taken together."""
        if self._socket is None:
            return
        ready, _, _ = select.select([self._socket], [], [], max(0.0, seconds))
        while ready:
            try:
                self._socket.recv(64)
            except BlockingIOError:
                return

    def close(self) -> None:
        """Close; the path is removed only while it is ours."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            with suppress(FileNotFoundError):
                if self._path.stat().st_ino == self._inode:
                    self._path.unlink()


class Loop:
    """Runs `broker` while it holds the lease. `interval_s`: how often one that stands by asks for it."""

    def __init__(
        self, broker: Broker, store: Store, clock: Clock, wake: WakeSocket, interval_s: float
    ) -> None:
        self._broker = broker
        self._store = store
        self._clock = clock
        self._wake = wake
        self._interval_s = interval_s
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._leading = False

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop` is set, then give the lease up."""
        pause = self._interval_s
        try:
            while not stop.is_set():
                pause = self._turn(pause)
                if self._leading:
                    self._wake.wait(pause)
                else:
                    stop.wait(pause)
        finally:
            self._release()

    def _turn(self, pause: float) -> float:
        """One guarded turn; return how long to wait before the next."""
        try:
            if not self._lead():
                return self._interval_s
            report = self._broker.tick()
            self._report(report)
        except Unavailable as error:
            log.warning("turn put off", error=str(error))
            return _longer(pause)
        except Exception:
            log.exception("turn failed")
            return _longer(pause)
        return 0.0 if report.more else min(report.pause_s, LEASE.total_seconds() / 3)

    def _lead(self) -> bool:
        leading = self._store.lead(self._holder, self._clock.now(), LEASE)
        if leading != self._leading:
            log.info("leading" if leading else "standing by", holder=self._holder)
            if leading:
                self._broker.begin()
                self._wake.open()
            else:
                self._wake.close()
        self._leading = leading
        return leading

    def _report(self, report: TickReport) -> None:
        value = {
            "at": self._clock.now().isoformat(),
            "holder": self._holder,
            "active": report.active,
            "tick_s": round(report.took_s, 4),
        }
        if report.observed:
            self._store.note("broker", value)
        if report.submitted or report.took_s > self._interval_s:
            log.info("turn", active=report.active, submitted=report.submitted, took_s=report.took_s)

    def _release(self) -> None:
        if self._leading:
            try:
                self._store.release(self._holder)
            except Unavailable as error:
                log.warning("lease not given up", error=str(error))


def _longer(pause: float) -> float:
    return min(max(pause, 0.5) * 2, MAX_PAUSE_S)
