"""Values remembered for a moment, so that a burst of requests asks the database once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from ..ports import Clock

FRESH = timedelta(seconds=1)
"""How old a remembered value may be."""

V = TypeVar("V")


class Recent(Generic[V]):
    """Values by key; safe between threads (two may load the same value at once, harmlessly)."""

    def __init__(self, clock: Clock, most: int = 1000) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._values: dict[str, tuple[datetime, V]] = {}

    def get(self, key: str, load: Callable[[], V]) -> V:
        """The value of `key`, from `load` when it is not fresh."""
        now = self._clock.now()
        with self._lock:
            known = self._values.get(key)
        if known is not None and timedelta(0) <= now - known[0] < FRESH:
            return known[1]
        loaded = load()
        self.put(key, loaded)
        return loaded

    def put(self, key: str, value: V) -> None:
        """Remember `value`, just learnt."""
        with self._lock:
            if len(self._values) >= self._most:
                self._values.clear()
            self._values[key] = (self._clock.now(), value)
