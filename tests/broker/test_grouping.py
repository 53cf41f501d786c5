"""Unix groups beside jobs: one errand tells the directory, which no agent delays, and one per agent looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sciserver_hpc.broker.errands import SLOW
from sciserver_hpc.broker.grouping import CREDIT_S
from sciserver_hpc.domain.scheduling import Owner
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.services.group_keeping import Looking
from tests.broker.world import NoGroups, World

DIRECTORY = 65534
ALICE, BOB = 2001, 2002


def owner(uid: int) -> Owner:
    return Owner(username=f"user{uid}", uid=uid, gid=uid)


class Groups(NoGroups):
    """One group is to be told of, always, and one of each of some people to be looked for."""

    def __init__(self, world: World, *uids: int) -> None:
        self.world = world
        self.uids = uids
        self.told = 0
        self.looked: list[int] = []

    def due(self) -> tuple[list[str], list[Looking]]:
        return ["team"], [Looking(f"of{uid}", owner(uid)) for uid in self.uids]

    def tell(self, names: Sequence[str], go_on: Callable[[], bool]) -> bool:
        assert (list(names), go_on()) == (["team"], True)
        self.world.gate.stand("tell", owner(DIRECTORY))
        self.told += 1
        return True

    def look(self, looking: Sequence[Looking], go_on: Callable[[], bool]) -> bool:
        [one] = looking
        assert go_on()
        self.world.gate.stand("look", one.agent)
        self.looked.append(one.agent.uid)
        return True


def with_groups(world: World, *uids: int) -> Groups:
    world.groups = Groups(world, *uids)
    world.restart()
    return world.groups


def test_a_directory_that_hangs_delays_no_job_and_is_asked_once(world: World) -> None:
    groups = with_groups(world)
    world.gate.shut("tell", DIRECTORY)
    job = world.accept(uid=ALICE)
    for _ in range(3):
        world.tick()
    assert (world.job(job).state, world.strands.waited, groups.told) == (JobState.PENDING, 0.0, 0)
    assert len(world.strands.standing) == 1
    world.gate.open_all()
    world.strands.resume_all()
    assert (groups.told, world.wakes) == (1, 1)


def test_an_agent_that_hangs_delays_neither_the_directory_nor_others(world: World) -> None:
    groups = with_groups(world, ALICE, BOB)
    world.gate.shut("look", ALICE)
    for _ in range(3):
        world.tick()
    assert (groups.told, groups.looked) == (3, [BOB] * 3)


def test_a_directory_that_was_slow_does_not_wait_behind_agents_that_hang(world: World) -> None:
    """Else a few of them would keep everybody who was removed in their groups."""
    people = range(ALICE, ALICE + SLOW)
    with_groups(world, *people)
    for uid in people:
        world.gate.shut("look", uid)
    world.gate.shut("tell", DIRECTORY)
    while len(world.strands.standing) <= SLOW:
        world.tick(CREDIT_S + 1)
    world.tick(CREDIT_S + 1)
    for _ in range(2):
        [telling] = [strand for strand in world.strands.standing if strand.at == "tell"]
        world.strands.resume(telling)
        world.tick()
