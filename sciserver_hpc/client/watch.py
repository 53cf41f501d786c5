"""Waiting for a job or a session, and following what a job writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..domain.errors import Unavailable
from ..domain.views import JobView
from .models import LogPiece

T = TypeVar("T")

PATIENCE = 60
"""Looks in a row without an answer before waiting is given up: some ten minutes, longer than a restart."""


class Pace:
    """Pauses that grow from a quarter of a second to `most`, and start anew when there is news."""

    def __init__(self, most: float, sleep: Callable[[float], None]) -> None:
        self._most = most
        self._sleep = sleep
        self._next = min(0.25, most)
        self._failures = 0

    def news(self) -> None:
        """Something happened: look again soon."""
        self._next = min(0.25, self._most)

    def answer(self) -> None:
        """Somebody answered: only failures in a row count."""
        self._failures = 0

    def failure(self, error: Unavailable) -> None:
        """Nobody answered. Raises `error` when that has lasted too long."""
        self._failures += 1
        if self._failures > PATIENCE:
            raise error

    def pause(self) -> None:
        """Wait."""
        self._sleep(self._next)
        self._next = min(self._next * 1.5, self._most)


def until_final(look: Callable[[], JobView], pace: Pace, timeout: float | None) -> JobView:
    """Look until the job is over: see `until`."""
    return until(look, lambda job: job.final, lambda job: job.version, pace, timeout, "The job is not over")


def until(
    look: Callable[[], T],
    done: Callable[[T], bool],
    version: Callable[[T], object],
    pace: Pace,
    timeout: float | None,
    not_yet: str,
) -> T:
    """Look until what is seen is `done`. version: differs whenever there is news.

    Raises TimeoutError with `not_yet` after `timeout` seconds, Unavailable when nobody answers for
    long.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    last: object = None
    while True:
        try:
            seen = look()
        except Unavailable as error:
            pace.failure(error)
        else:
            pace.answer()
            if done(seen):
                return seen
            if version(seen) != last:
                pace.news()
            last = version(seen)
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError(f"{not_yet} after {timeout:g} s; it goes on.")
        pace.pause()


def pieces(look: Callable[[int], LogPiece], pace: Pace, offset: int) -> Iterator[LogPiece]:
    """New pieces of a log, from byte `offset` until nothing will be added any more."""
    while True:
        try:
            piece = look(offset)
        except Unavailable as error:
            pace.failure(error)
        else:
            pace.answer()
            grown = piece.next > offset
            if grown:
                pace.news()
                yield piece
            offset = piece.next
            if piece.final and offset >= piece.size:
                return
            if grown and offset < piece.size:
                continue
        pace.pause()
