"""Lists of jobs: what is looked for, and a page of it.

A history has no end that a page may wait for. What an owner and states say is found at once, by an index; for
what else is asked, a page looks through so many jobs and tells from where to go on: it may be short, or
empty, and not be the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .jobs import Job
from .states import JobState

LOOK, LONGEST_LOOK = 2_000, 20_000
"""Jobs a page looks through, unless it is told, and at most."""

LATE = timedelta(hours=1)
"""Ids grow as jobs are accepted, but for clocks that differ and transactions that take their time: by less
than this."""


@dataclass(frozen=True)
class Sought:
    """Which jobs; None: any. `name`: a part of it, without regard to case; after ≤ accepted_at < before."""

    owner: str | None = None
    states: Sequence[JobState] | None = None
    domain: str | None = None
    name: str | None = None
    after: datetime | None = None
    before: datetime | None = None

    @property
    def looked_through(self) -> bool:
        """Does it ask for more than an index knows?"""
        return any(one is not None for one in (self.domain, self.name, self.after, self.before))


@dataclass(frozen=True)
class Place:
    """Where a page begins: below `before_id`, or above `after_id` on to newer jobs; else at the newest."""

    before_id: int | None = None
    after_id: int | None = None


ALL, NEWEST = Sought(), Place()


@dataclass(frozen=True)
class Found:
    """A page, newest first. older: `before_id` of the page after; newer: `after_id` of the page before."""

    jobs: list[Job]
    older: int | None
    newer: int | None
