"""Where errands run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol


class Runner(Protocol):
    """Where errands run."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def start(self, errand: Callable[[], None]) -> None:
        """Begin it."""
        ...

    def side_by_side(self, parts: Sequence[Callable[[], None]]) -> None:
        """Asked by an errand: do all of these, and come back when all are over; raise what one raised."""
        ...

    def wait(self, seconds: float) -> None:
        """Until one is over that was not when last waited, or for `seconds`."""
        ...


class Threads:
    """The real `Runner`: daemon threads, so that a hanging agent does not hold up the end of the process."""

    def __init__(self) -> None:
        self._back = threading.Event()

    def now(self) -> float:
        """See `Runner`."""
        return time.monotonic()

    def start(self, errand: Callable[[], None]) -> None:
        """See `Runner`."""
        threading.Thread(target=self._run, args=(errand,), name="errand", daemon=True).start()

    def _run(self, errand: Callable[[], None]) -> None:
        try:
            errand()
        finally:
            self._back.set()

    def side_by_side(self, parts: Sequence[Callable[[], None]]) -> None:
        """See `Runner`. No pool: the end of the process waits for a pool's threads."""
        raised: list[BaseException] = []
        others = [partial(_keep, raised, part) for part in parts[1:]]
        threads = [threading.Thread(target=other, name="errand", daemon=True) for other in others]
        begun = 0
        try:
            for thread in threads:
                thread.start()
                begun += 1
            _keep(raised, parts[0])
        finally:
            for thread in threads[:begun]:
                thread.join()
        if raised:
            raise raised[0]

    def wait(self, seconds: float) -> None:
        """See `Runner`."""
        self._back.wait(seconds)
        self._back.clear()


def _keep(raised: list[BaseException], part: Callable[[], None]) -> None:
    try:
        part()
    except BaseException as error:
        raised.append(error)
