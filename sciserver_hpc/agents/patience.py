"""Whom not to wait for: an agent that lets us wait is left alone, each time twice as long.

Users can stop or replace their agent. Without this, one of them could make the broker wait for most of its
time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..domain.errors import Unavailable

FIRST_S = 10.0
LONGEST_S = 600.0


class Patience:
    """Remembers by uid, in this process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures: dict[int, int] = {}
        self._until: dict[int, float] = {}

    def demand(self, uid: int) -> None:
        """Raises Unavailable while the agent of `uid` is left alone."""
        left = self._until.get(uid, 0.0) - self._now()
        if left > 0:
            raise Unavailable("agent", f"it hangs; it is tried again in {left:.0f} s")

    def lost(self, uid: int) -> None:
        """It let us wait in vain."""
        failures = self._failures.get(uid, 0)
        self._failures[uid] = failures + 1
        self._until[uid] = self._now() + min(FIRST_S * 2**failures, LONGEST_S)

    def regained(self, uid: int) -> None:
        """It answered a request."""
        self._failures.pop(uid, None)
        self._until.pop(uid, None)
