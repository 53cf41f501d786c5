"""Unix groups that follow groups of the portal: steps of `services.group_keeping`, as errands of two kinds.

The directory is told by one errand, which no agent can delay: who was removed is to be gone soon. Agents are
asked by others, each its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ..domain.scheduling import Owner
from ..services.group_keeping import Looking
from .errands import Errands, Whose

TELL, LOOK = "unix groups", "look for unix groups"

DIRECTORY: Whose = (" directory", Owner(username="nobody", uid=65534, gid=65534))
"""Nobody's agent: no cluster is called so."""

CREDIT_S = 15.0


class Groups(Protocol):
    """What there is to do; see `services.group_keeping.GroupKeeping`."""

    def due(self) -> tuple[list[str], list[Looking]]:
        """Groups to tell the directory of, and those agents are to look for."""
        ...

    def tell(self, names: Sequence[str], go_on: Callable[[], bool]) -> bool:
        """Tell the directory; False when it did not answer."""
        ...

    def look(self, looking: Sequence[Looking], go_on: Callable[[], bool]) -> bool:
        """Let one agent look; False when it did not answer."""
        ...


class Grouper:
    """Starts errands: one for the directory, one per agent."""

    def __init__(self, groups: Groups, errands: Errands) -> None:
        self._groups = groups
        self._errands = errands

    def start(self) -> None:
        """Start what is due and finds a place. Raises Unavailable (the database)."""
        names, looking = self._groups.due()
        if names:
            go_on = partial(self._errands.in_time, TELL, DIRECTORY)
            errand = partial(self._groups.tell, names, go_on)
            self._errands.start(TELL, {DIRECTORY: errand}, CREDIT_S, to_agent=False)
        by_agent: dict[Whose, list[Looking]] = defaultdict(list)
        for one in looking:
            by_agent["", one.agent].append(one)
        errands = {
            whose: partial(self._groups.look, mine, partial(self._errands.in_time, LOOK, whose))
            for whose, mine in by_agent.items()
        }
        self._errands.start(LOOK, errands, CREDIT_S)
