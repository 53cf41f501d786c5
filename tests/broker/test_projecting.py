"""Walks through volumes beside jobs: nobody waits for them, few go at a time, each wakes the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from sciserver_hpc.broker.errands import QUICK
from sciserver_hpc.broker.projecting import CREDIT_S
from sciserver_hpc.broker.tick import Broker
from sciserver_hpc.domain.scheduling import Owner
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.services.projecting import Address, Waiting
from tests.broker.world import INTERVAL, QUIET, NoDisk, NothingToArchive, NothingToSend, World, render
from tests.fakes.strands import Strands
from tests.services.disks import give, known, rights, take, volume
from tests.services.world import BOB
from tests.services.world import World as Services

ALICE = 2001


def owner(uid: int) -> Owner:
    return Owner(username=f"user{uid}", uid=uid, gid=uid)


class Volumes(NoDisk):
    """A volume of each of some people is due, always; agents hang where the gate is shut."""

    def __init__(self, world: World, *uids: int) -> None:
        self.world = world
        self.uids = uids
        self.worked: list[int] = []
        self.went_on: list[bool] = []

    def due(self) -> list[Waiting]:
        return [Waiting(("Storage", f"user{uid}", name), owner(uid)) for uid in self.uids for name in "xy"]

    def work(self, volumes: Sequence[Address], go_on: Callable[[], bool]) -> bool:
        assert [name for _, _, name in volumes] == ["x", "y"]
        uid = int(volumes[0][1].removeprefix("user"))
        self.world.gate.stand("disk", owner(uid))
        self.worked.append(uid)
        self.went_on.append(go_on())
        return True


def with_volumes(world: World, *uids: int) -> Volumes:
    """A broker with these people's volumes to see to."""
    world.disk = Volumes(world, *uids)
    world.restart()
    return world.disk


def test_a_turn_does_not_wait_for_a_walk_nor_do_jobs(world: World) -> None:
    disk = with_volumes(world, ALICE)
    world.gate.shut("disk", ALICE)
    job = world.accept(uid=ALICE)
    report = world.tick()
    assert (world.job(job).state, world.strands.waited, report.more) == (JobState.PENDING, 0.0, False)
    assert (len(world.strands.standing), disk.worked) == (1, [])


def test_one_errand_an_agent_and_others_go_on(world: World) -> None:
    disk = with_volumes(world, ALICE, 2002)
    world.gate.shut("disk", ALICE)
    for _ in range(3):
        world.tick()
    assert (len(world.strands.standing), disk.worked) == (1, [2002] * 3)


def test_every_errand_that_is_back_wakes_the_loop(world: World) -> None:
    with_volumes(world, ALICE)
    world.gate.shut("disk", ALICE)
    world.tick()
    assert world.wakes == 0
    world.gate.open_all()
    world.strands.resume_all()
    assert world.wakes == 1
    world.tick()
    assert world.wakes == 2


def test_few_go_at_a_time_and_who_hangs_gives_the_place_up(world: World) -> None:
    uids = range(3001, 3001 + 2 * QUICK)
    with_volumes(world, *uids)
    for uid in uids:
        world.gate.shut("disk", uid)
    world.tick()
    assert len(world.strands.standing) == QUICK
    world.tick(CREDIT_S)
    assert len(world.strands.standing) == 2 * QUICK


def test_who_is_slow_on_disk_is_not_so_for_jobs(world: World) -> None:
    with_volumes(world, ALICE)
    world.gate.shut("disk", ALICE)
    world.tick()
    world.tick(10 * CREDIT_S)
    assert len(world.strands.standing) == 1
    jobs = [world.accept(uid=ALICE, owner=f"user{ALICE}") for _ in range(2)]
    world.gate.shut("submit", ALICE)
    world.tick()
    assert world.strands.waited > 0  # as for anybody who is prompt
    world.gate.open_all()
    world.strands.resume_all()
    world.tick()
    assert {world.job(job).state for job in jobs} == {JobState.PENDING}


def test_an_errand_stops_when_its_credit_is_used_up_or_the_broker_ends(world: World) -> None:
    disk = with_volumes(world, ALICE)
    world.tick()
    world.gate.shut("disk", ALICE)
    world.tick()
    world.clock.advance(CREDIT_S)
    world.gate.open_all()
    world.strands.resume_all()
    assert disk.went_on == [True, False]


def test_from_a_grant_to_the_disk_and_back(tmp_path: Path) -> None:
    services = Services(tmp_path)
    known(services)
    data = f"{volume(services)}/folder/data"
    wakes: list[None] = []
    broker = Broker(
        services.store,
        services.clock,
        {"default": services.scheduler},
        services.agents,
        render,
        interval=INTERVAL,
        rest=QUIET,
        wake=lambda: wakes.append(None),
        disk=services.projecting,
        groups=services.group_keeping,
        outbox=NothingToSend(),
        archive=NothingToArchive(),
        runner=Strands(services.clock),
    )
    give(services, "user:bob", hours=1)
    broker.tick()
    assert (rights(services, BOB, data), len(wakes) > 0) == ("r", True)
    services.clock.advance(timedelta(hours=1).total_seconds())
    broker.tick()
    assert rights(services, BOB, data) == ""
    give(services, "user:bob", "write")
    take(services, "user:bob", "write")
    broker.tick()
    assert rights(services, BOB, data) == ""
    services.store.close()
