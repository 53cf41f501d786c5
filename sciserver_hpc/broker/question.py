"""A question to a system that may hang: asked in a thread of its own, its answer taken by a later turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import structlog

from .runner import Runner

log = structlog.get_logger(__name__)

OVERDUE_S = 300.0
"""When an answer is waited for no longer: five commands of Slurm's end in 100 s, by their usual time-outs."""

A = TypeVar("A")


@dataclass
class _Asked(Generic[A]):
    """One under way. `answer`: that it failed, until it is back; `awaited`: a turn looked for it in vain."""

    answer: A
    overdue_at: float
    back: bool = False
    awaited: bool = False


class Question(Generic[A]):
    """Asks one thing at a time. The asking thread only reads: what an answer means is for the turn to write.

    All methods are called from the turn's thread. `wake` is called when an answer comes that a turn has
    looked for in vain; it must neither wait nor fail.
    """

    def __init__(self, runner: Runner, wake: Callable[[], None]) -> None:
        self._runner = runner
        self._wake = wake
        self._lock = threading.Lock()
        self._asked: _Asked[A] | None = None

    @property
    def open(self) -> bool:
        """Is one asked whose answer nobody has taken yet?"""
        return self._asked is not None

    def ask(self, work: Callable[[], A], failed: A) -> None:
        """Begin `work`; the answer is `failed` where it breaks, or is not back after OVERDUE_S.

        Only while none is open. Raises RuntimeError when the machine gives no more threads.
        """
        asked = _Asked(failed, self._runner.now() + OVERDUE_S)
        self._runner.start(partial(self._go, asked, work))
        self._asked = asked

    def take(self) -> A | None:
        """The answer, once; None while there is none."""
        asked = self._asked
        if asked is None:
            return None
        with self._lock:
            if not asked.back and self._runner.now() < asked.overdue_at:
                asked.awaited = True
                return None
        self._asked = None
        return asked.answer

    def _go(self, asked: _Asked[A], work: Callable[[], A]) -> None:
        try:
            asked.answer = work()
        except Exception:
            log.exception("question failed")
        with self._lock:
            asked.back = True
        if asked.awaited:
            self._wake()
