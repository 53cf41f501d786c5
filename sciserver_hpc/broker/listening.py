"""Accounting asked for news between two looks, which costs the controller nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..ports import Clock, Scheduler
from .question import Question

NEWS_FROM = timedelta(minutes=2)
"""How far back accounting is asked for news between two looks: its lag, and clocks that differ."""

REST = timedelta(minutes=1)
"""How long accounting that did not answer is not asked for news: looks ask it anyway, and each further
question would only wait beside theirs."""


@dataclass(frozen=True)
class Word:
    """What accounting says: uuids of jobs that ended; None when it does not answer."""

    ended: frozenset[str] | None


class Listener:
    """Listens to one cluster's accounting, one question at a time."""

    def __init__(self, clock: Clock, scheduler: Scheduler, question: Question[Word]) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._question = question
        self._silent_until: datetime | None = None

    def ask(self) -> None:
        """Begin a question, unless one is out or accounting was silent a moment ago."""
        now = self._clock.now()
        resting = self._silent_until is not None and now < self._silent_until
        if not resting and not self._question.open:
            self._question.ask(lambda: Word(self._scheduler.ended(now - NEWS_FROM)), Word(None))

    def heard(self) -> frozenset[str]:
        """Uuids of jobs that ended, as the names of jobs tell them (a hint: names can be forged), each answer
        once."""
        word = self._question.take()
        if word is None:
            return frozenset()
        self._silent_until = self._clock.now() + REST if word.ended is None else None
        return word.ended or frozenset()
