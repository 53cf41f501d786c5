"""Filesystems that follow grants: steps of `services.projecting`, as errands of their own kind.

A walk through a volume may take hours: no turn waits for one. QUICK owners' volumes are worked on side by
side, which is few enough for the filesystem.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ..services.projecting import Address, Waiting
from .errands import Errands, Whose

KIND = "disk"

CLUSTER = ""
"""What no cluster is called: who is slow here is not so for their jobs."""

CREDIT_S = 15.0
"""An errand of an agent that is well needs a few seconds, on a slow filesystem too."""


class Work(Protocol):
    """What there is to do; see `services.projecting.Projecting`."""

    def due(self) -> list[Waiting]:
        """Volumes with work, longest due first."""
        ...

    def work(self, volumes: Sequence[Address], go_on: Callable[[], bool]) -> bool:
        """Some steps with them; False when their agent did not answer."""
        ...


class Projector:
    """Starts errands, one per agent."""

    def __init__(self, work: Work, errands: Errands) -> None:
        self._work = work
        self._errands = errands

    def start(self) -> None:
        """Start what is due and finds a place. Raises Unavailable (the database)."""
        volumes: dict[Whose, list[Address]] = defaultdict(list)
        for due in self._work.due():
            volumes[CLUSTER, due.agent].append(due.volume)
        errands = {one: partial(self._go, one, mine) for one, mine in volumes.items()}
        self._errands.start(KIND, errands, CREDIT_S)

    def _go(self, one: Whose, volumes: Sequence[Address]) -> bool:
        return self._work.work(volumes, partial(self._errands.in_time, KIND, one))
