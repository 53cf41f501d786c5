"""A waker that wakes nobody."""

from __future__ import annotations


class FakeWaker:
    """`ports.Waker`. woken: how often it was called."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1
