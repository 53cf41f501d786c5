"""Every order in which a job's submission can go wrong, walked through: see model.py."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pytest

from sciserver_hpc.domain.states import JobState

from .model import Rules, World, successors

FAULTS = [
    World(crashes=1, stalls=1, forgets=0),
    World(crashes=1, stalls=0, forgets=1),
    World(crashes=0, stalls=1, forgets=1),
]
"""Two faults at once, of a broker that is killed, a controller that is deaf, and one that forgets."""


@dataclass(frozen=True)
class Walk:
    """Worlds that can come about, each with the world and the happening before it."""

    wrong: str
    """A shortest story of what must never be, a happening a line; "" where there is none."""

    leads_to: dict[World, list[World]]

    def stuck(self) -> int:
        """How many worlds there are from which it never comes to success."""
        before: dict[World, list[World]] = defaultdict(list)
        for world, after in self.leads_to.items():
            for one in after:
                before[one].append(world)
        good = {world for world in self.leads_to if world.row.state is JobState.SUCCEEDED}
        waiting = deque(good)
        while waiting:
            for world in before[waiting.popleft()]:
                if world not in good:
                    good.add(world)
                    waiting.append(world)
        return len(self.leads_to) - len(good)


def walk(rules: Rules, start: World, wrong: Callable[[World, World], str]) -> Walk:
    """By breadth, until something is wrong or all has been seen."""
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    leads_to: dict[World, list[World]] = {}
    waiting = deque([start])
    while waiting:
        world = waiting.popleft()
        if what := wrong(world, start):
            return Walk("\n".join([*_story(came_from, world), what]), leads_to)
        leads_to[world] = []
        for name, after in successors(world, rules):
            leads_to[world].append(after)
            if after not in came_from:
                came_from[after] = world, name
                waiting.append(after)
    return Walk("", leads_to)


def _story(came_from: Mapping[World, tuple[World, str] | None], world: World) -> Iterable[str]:
    lines: list[str] = []
    before = came_from[world]
    while before is not None:
        lines.append(before[1])
        before = came_from[before[0]]
    return reversed(lines)


def runs_twice(world: World, _start: World) -> str:
    """The worst; "" where all is well."""
    return "it ran twice" if world.runs > 1 else ""


def wrong(world: World, start: World) -> str:
    """What must never be; "" where all is well."""
    if what := runs_twice(world, start):
        return what
    if len(world.copies) > 1 and world.forgets == start.forgets:
        return "Slurm has it twice, and forgot nothing"
    if world.row.state is JobState.SUCCEEDED and not any(copy.stage == "done" for copy in world.copies):
        return "it is said to have succeeded, and did not run"
    if world.row.state.final and world.row.state is not JobState.SUCCEEDED:
        return f"it is {world.row.state}"
    return ""


@pytest.mark.parametrize("start", FAULTS, ids=["deaf", "forgets", "both"])
def test_in_no_order_is_it_lost_doubled_or_untrue(start: World) -> None:
    walked = walk(Rules(), start, wrong)
    assert walked.wrong == ""
    assert walked.stuck() == 0
    assert len(walked.leads_to) > 10_000


@pytest.mark.parametrize(
    ("start", "rules", "what"),
    [
        (FAULTS[0], Rules(rest=3), "Slurm has it twice, and forgot nothing"),
        (FAULTS[0], Rules(marked=False), "Slurm has it twice, and forgot nothing"),
        (FAULTS[2], Rules(stall=2), "Slurm has it twice, and forgot nothing"),
    ],
    ids=["it rests too short", "it is not marked", "nobody notices that Slurm is deaf"],
)
def test_without_one_of_its_promises_it_is(start: World, rules: Rules, what: str) -> None:
    """Each is needed: the walk finds what goes wrong without it."""
    assert walk(rules, start, wrong).wrong.endswith(what)


def test_whatever_else_fails_the_fence_lets_it_run_once() -> None:
    start = FAULTS[1]
    assert walk(Rules(rest=1), start, runs_twice).wrong == ""
    assert walk(Rules(rest=1, fence=False), start, runs_twice).wrong.endswith("it ran twice")
