"""Notifications beside jobs: one errand for each person and way, and nobody waits for another's webhook."""

from __future__ import annotations

from collections.abc import Callable

from sciserver_hpc.broker.errands import SLOW
from sciserver_hpc.broker.notifying import CREDIT_S
from sciserver_hpc.domain.notifications import Channel, Occasion, key_of
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.scheduling import Owner
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.services.notifying import Notifying, Ways
from sciserver_hpc.services.sending import Lane, Sending
from tests.broker.world import Fused, World
from tests.fakes.directory import FakeDirectory
from tests.fakes.notifiers import FakeMailer
from tests.fakes.waker import FakeWaker

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


def test_from_an_event_to_the_mail_whenever_a_broker_dies(world: World) -> None:
    ways, people, mailer = Ways(True, None, b"k" * 32), FakeDirectory(), FakeMailer()
    people.add(Person(username="alice", uid=2001, gid=2001, email="alice@example.org"), "x")
    notifying = Notifying(world.store, world.clock, FakeWaker(), ways, "https://portal")
    world.outbox = Sending(
        Fused(world.store, world.fuse), world.clock, people, mailer, ways, "https://portal"
    )
    world.restart()
    for number in range(12):
        key = key_of(f"{number:032x}", Occasion.FAILED)
        notifying.tell("alice", Occasion.FAILED, key, "sky failed", "Out of memory.", "/jobs/1")
        world.crash(after_calls=number)
    for _ in range(20):
        world.tick(61)
    gone = {told.key for _, told in mailer.sent}
    rows = world.store.notifications_of("alice", 99)
    assert len(gone) == len(rows) == 12
    assert all(row.sent_at for row in rows)
    assert len(mailer.sent) <= sum(row.attempts for row in rows)
