"""How long nobody has used the session."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone

from .app import ask
from .connections import Connections
from .settings import Settings
from .usage import Usage

ACTIVE = "active"
"""The file an app touches when it is used."""


class Activity:
    """The latest of what the settings call activity; times are time.monotonic's.

    `look` is called now and then: it asks the app, and compares processor time with that of the call before.
    """

    def __init__(self, settings: Settings, connections: Connections, usage: Usage) -> None:
        self._settings = settings
        self._connections = connections
        self._usage = usage
        self._latest = time.monotonic()
        self._cpu: tuple[float, float] | None = None

    def idle_s(self) -> float:
        """Seconds since the last activity."""
        latest = self._latest
        if self._settings.traffic:
            latest = max(latest, self._connections.last_heard())
        if self._settings.file:
            latest = max(latest, _of_file())
        return max(0.0, time.monotonic() - latest)

    def look(self) -> None:
        """Whatever goes wrong is no activity."""
        if self._settings.http_path is not None:
            self._latest = max(self._latest, self._of_app(self._settings.http_path))
        if self._settings.cpu_percent is not None and self._is_busy(self._settings.cpu_percent):
            self._latest = time.monotonic()

    def _of_app(self, path: bytes) -> float:
        try:
            status, body = ask(self._settings, path)
            answer = json.loads(body) if status == 200 else None
        except (OSError, ValueError, RecursionError):
            return 0.0
        if not isinstance(answer, dict):
            return 0.0
        busy, since = answer.get(self._settings.busy), answer.get(self._settings.since)
        if isinstance(busy, (bool, int, float)) and busy:
            return time.monotonic()
        return _monotonic(seconds_of(since)) if isinstance(since, str) else 0.0

    def _is_busy(self, percent: float) -> bool:
        """More than `percent` of one core since the call before?"""
        now, used, before = time.monotonic(), self._usage.cpu_s(), self._cpu
        self._cpu = None if used is None else (now, used)
        if used is None or before is None or now <= before[0]:
            return False
        return (used - before[1]) / (now - before[0]) * 100 > percent


def seconds_of(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time, UTC where it names no zone; 0 when it is none. Fractions are
    cut: how many digits they have differs from app to app."""
    second, rest = text[:19], text[19:].lstrip(".0123456789")
    try:
        at = datetime.fromisoformat(second + ("" if rest in ("", "Z", "z") else rest))
        return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _of_file() -> float:
    try:
        return _monotonic(os.stat(ACTIVE).st_mtime)
    except OSError:
        return 0.0


def _monotonic(wall: float) -> float:
    """A time of this machine's clock; never one to come."""
    return time.monotonic() - max(0.0, time.time() - wall)
