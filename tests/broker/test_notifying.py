"""Notifications beside jobs: one errand for each person and way, and nobody waits for another's webhook."""

from __future__ import annotations

from collections.abc import Callable

from sciserver_hpc.broker.errands import SLOW
from sciserver_hpc.broker.notifying import CREDIT_S
from sciserver_hpc.domain.notifications import Channel
from sciserver_hpc.domain.scheduling import Owner
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.services.sending import Lane
from tests.broker.world import World

MAIL, WEBHOOK = Channel.MAIL, Channel.WEBHOOK


def receiver(name: str) -> int:
    """For whom the gate is shut."""
    return 9000 + int(name.removeprefix("user"))


class Outbox:
    """Something waits for each of `lanes`, always."""

    def __init__(self, world: World, *lanes: Lane) -> None:
        self.world = world
        self.lanes = list(lanes)
        self.sent: list[Lane] = []

    def due(self) -> list[Lane]:
        return self.lanes

    def send(self, lane: Lane, go_on: Callable[[], bool]) -> bool:
        assert go_on()
        channel, name = lane
        number = receiver(name)
        self.world.gate.stand(channel, Owner(username=name, uid=number, gid=number))
        self.sent.append(lane)
        return True


def with_outbox(world: World, *lanes: Lane) -> Outbox:
    outbox = Outbox(world, *lanes)
    world.outbox = outbox
    world.restart()
    return outbox


def test_a_webhook_that_hangs_holds_up_no_job_no_mail_and_nobody_else(world: World) -> None:
    outbox = with_outbox(world, (WEBHOOK, "user1"), (MAIL, "user1"), (WEBHOOK, "user2"))
    world.gate.shut(WEBHOOK, receiver("user1"))
    job = world.accept()
    for _ in range(3):
        world.tick()
    assert (world.job(job).state, world.strands.waited) == (JobState.PENDING, 0.0)
    assert sorted(outbox.sent) == sorted([(MAIL, "user1"), (WEBHOOK, "user2")] * 3)
    assert len(world.strands.standing) == 1
    world.strands.kill()


def test_many_webhooks_that_hang_end_up_in_the_slow_lane(world: World) -> None:
    bad = [(WEBHOOK, f"user{number}") for number in range(1, SLOW + 4)]
    outbox = with_outbox(world, *bad, (WEBHOOK, "user99"))
    for _, name in bad:
        world.gate.shut(WEBHOOK, receiver(name))
    for _ in range(6):
        world.tick(CREDIT_S + 1)
    assert (WEBHOOK, "user99") in outbox.sent
    world.strands.kill()


def test_a_mail_server_that_hangs_takes_no_place_of_slow_agents(world: World) -> None:
    lanes = [(MAIL, f"user{number}") for number in range(1, 20)]
    with_outbox(world, *lanes)
    for _, name in lanes:
        world.gate.shut(MAIL, receiver(name))
    for _ in range(6):
        world.tick(CREDIT_S + 1)
    assert 0 < len(world.strands.standing) <= 4
    world.strands.kill()
