"""What a session's owner is told: in its history, and by mail or webhook where they chose so."""

from __future__ import annotations

from datetime import datetime

from ..domain.explain import explain
from ..domain.jobs import EventKind, Job
from ..domain.lifecycle import step
from ..domain.notifications import Occasion, key_of
from ..domain.sessions import Gauge
from ..domain.states import JobState
from ..ports import Clock, Store
from .changing import change_anyhow
from .notifying import Notifying

WELL = frozenset({JobState.SUCCEEDED, JobState.CANCELLED, JobState.TIMEOUT})
"""Ends that a person brought about, or could expect."""


class Heralding:
    """Tells. Each call is made inside the transaction that notes that it was told."""

    def __init__(self, store: Store, clock: Clock, notifying: Notifying) -> None:
        self._store = store
        self._clock = clock
        self._notifying = notifying

    def started(self, job: Job) -> None:
        """One can come in."""
        self._note(job, "Ready: its app answers")
        self._tell(job, Occasion.STARTED, "is ready", "It runs, and its app answers. Open it from its card.")

    def idle(self, job: Job, gauge: Gauge) -> None:
        """Nobody uses it."""
        text = f"Nobody uses it; it is stopped in {gauge.grace_s // 60} minutes unless somebody does"
        self._note(job, text)
        self._tell(job, Occasion.IDLE, "is stopped soon", f"{text}.", self._clock.now())

    def time_left(self, job: Job, end: datetime) -> None:
        """Its end is near."""
        minutes = max(0, round((end - self._clock.now()).total_seconds() / 60))
        self._note(job, f"{minutes} minutes are left")
        text = f"{minutes} minutes are left. Save what you need, or extend it where its card offers that."
        self._tell(job, Occasion.TIME_LEFT, f"has {minutes} minutes left", text, end)

    def over(self, job: Job) -> None:
        """It ended; its history says how."""
        ended = job.state in WELL
        occasion, words = (Occasion.ENDED, "ended") if ended else (Occasion.FAILED, "failed")
        self._tell(job, occasion, words, explain(job, self._clock.now()))

    def _note(self, job: Job, text: str) -> None:
        now = self._clock.now()
        change_anyhow(self._store, [job], lambda it: step(it, now, text, EventKind.NOTE))

    def _tell(
        self, job: Job, occasion: Occasion, words: str, text: str, about: datetime | None = None
    ) -> None:
        """about: tells one warning from the next of the same kind."""
        number = int(about.timestamp()) if about else None
        subject = f"Session {job.id} ({job.name}) {words}"
        key, page = key_of(job.uuid, occasion, number), f"/sessions/{job.id}"
        self._notifying.tell(job.owner, occasion, key, subject, text, page)
