"""What a session's owner is told: in its history, and by mail or webhook where they chose so."""

from __future__ import annotations

from datetime import datetime

from ..domain.jobs import EventKind, Job
from ..domain.lifecycle import step
from ..domain.sessions import Gauge
from ..ports import Clock, Store
from .changing import change_anyhow


class Heralding:
    """Tells. Each call is made inside the transaction that notes that it was told."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def started(self, job: Job) -> None:
        """One can come in."""
        self._note(job, "Ready: its app answers")

    def idle(self, job: Job, gauge: Gauge) -> None:
        """Nobody uses it."""
        self._note(
            job, f"Nobody uses it; it is stopped in {gauge.grace_s // 60} minutes unless somebody does"
        )

    def time_left(self, job: Job, end: datetime) -> None:
        """Its end is near."""
        minutes = max(0, round((end - self._clock.now()).total_seconds() / 60))
        self._note(job, f"{minutes} minutes are left")

    def over(self, job: Job) -> None:
        """It ended; its history says how."""

    def _note(self, job: Job, text: str) -> None:
        now = self._clock.now()
        change_anyhow(self._store, [job], lambda it: step(it, now, text, EventKind.NOTE))
