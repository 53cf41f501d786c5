"""When to look at the clusters: pure timing.

The queue is looked at at a steady pace. Halfway between two looks accounting alone is asked what ended, which
costs the controller nothing; when it knows news, the next look at the queue comes at once, out of a small
budget, so that no minute holds many more looks than the steady pace has. A clock that was set back counts as
time that passed: nothing waits for it to come there again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

EXTRA = 2
"""Early looks that may follow each other before the budget is used up."""

EARNS = 0.08
"""Looks earned by waiting for one steady look, beyond that look: one early look in about twelve."""


class Rhythm:
    """Tells what is due. `every`: time between two looks at the queue."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._looked_at: datetime | None = None
        self._listened_at: datetime | None = None
        self._budget = float(EXTRA)

    def look_due(self, now: datetime) -> bool:
        """Is a look at the queue due? Asking takes it."""
        due = self._looked_at is None or abs(now - self._looked_at) >= self._every
        if due:
            self._take(now)
        return due

    def hurry(self, now: datetime) -> bool:
        """There is news: may the queue be looked at before its time? Asking takes the look."""
        hurried = self._budget + self._earned(now) >= 1
        if hurried:
            self._take(now)
        return hurried

    def listen_due(self, now: datetime) -> bool:
        """Is accounting to be asked for news? Asking takes it."""
        last = max((at for at in (self._looked_at, self._listened_at) if at is not None), default=None)
        due = last is not None and abs(now - last) >= self._every / 2
        if due:
            self._listened_at = now
        return due

    def pause(self, now: datetime) -> timedelta:
        """How long nothing is due."""
        times = [at for at in (self._looked_at, self._listened_at) if at is not None]
        if self._looked_at is None:
            return timedelta(0)
        to_look = self._every - abs(now - self._looked_at)
        to_listen = self._every / 2 - abs(now - max(times))
        return max(timedelta(0), min(to_look, to_listen))

    def _take(self, now: datetime) -> None:
        """A look costs one; time earns, the more the longer it lasted since the last look."""
        self._budget = min(float(EXTRA), self._budget + self._earned(now) - 1)
        self._looked_at = now

    def _earned(self, now: datetime) -> float:
        if self._looked_at is None:
            return 1.0
        return abs(now - self._looked_at) / self._every * (1 + EARNS)
