"""What is told by which way, and how it leaves the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sciserver_hpc.domain.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from sciserver_hpc.domain.notifications import Channel, Choices, Occasion, Outgoing, key_of
from sciserver_hpc.domain.people import Person
from sciserver_hpc.services.notifying import Notifying, Ways
from sciserver_hpc.services.sending import Sending
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.database import new_database
from tests.fakes.directory import FakeDirectory
from tests.fakes.notifiers import FakeMailer, FakePoster
from tests.fakes.waker import FakeWaker

MAIL, WEBHOOK = Channel.MAIL, Channel.WEBHOOK
ALICE = Person(username="alice", uid=2001, gid=2001, email="alice@example.org")
HOOK = "https://hooks.example.org/x"
BOTH = Choices(mail=tuple(Occasion), webhook=tuple(Occasion), webhook_url=HOOK)
MINUTE, HOUR = 60, 3600


class World:
    """Services over a store, with a mail server and receivers a test can break."""

    def __init__(self, folder: Path, *, mail: bool = True, posts: bool = True) -> None:
        self.clock = FakeClock()
        self.store = SqlStore(new_database(folder / "notify.db"), now=self.clock.now)
        self.people, self.mailer, self.poster = FakeDirectory(), FakeMailer(), FakePoster()
        self.people.add(ALICE, "x")
        self.store.remember_person(ALICE)
        self.ways = Ways(mail, self.poster if posts else None, b"k" * 32)
        self.notifying = Notifying(self.store, self.clock, FakeWaker(), self.ways, "https://portal")
        mailer = self.mailer if mail else None
        self.sending = Sending(self.store, self.clock, self.people, mailer, self.ways, "https://portal")

    def tell(self, number: int = 1, occasion: Occasion = Occasion.FAILED, who: str = "alice") -> None:
        key = key_of(f"{number:032x}", occasion)
        with self.store.transaction():
            self.notifying.tell(who, occasion, key, f"sky {number}", "Out of memory.", "/jobs/1")

    def turn(self) -> None:
        """As the broker does once."""
        for lane in self.sending.due():
            self.sending.send(lane, lambda: True)

    def last(self) -> list[Outgoing]:
        return self.store.notifications_of("alice", 99)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_who_chose_nothing_is_mailed_of_a_failure_and_not_of_a_start(world: World) -> None:
    for occasion in Occasion:
        world.tell(1, occasion)
    world.turn()
    assert [told.occasion for _, told in world.mailer.sent] == ["time_left", "idle", "failed"]
    assert world.mailer.sent[0][0] == "alice@example.org"
    assert world.mailer.sent[0][1].url == "https://portal/jobs/1"
    assert world.poster.sent == []


def test_all_ways_chosen_are_gone_once_each(world: World) -> None:
    _, secret = world.notifying.choose(ALICE, BOTH)
    for _ in range(2):
        world.tell()
        world.turn()
    assert len(world.mailer.sent) == 1
    [(url, signed_with, told)] = world.poster.sent
    assert (url, signed_with, told.subject) == (HOOK, secret, "sky 1")
    assert all(row.sent_at and row.due_at is None for row in world.last())


def test_the_secret_is_made_once_told_once_and_kept_nowhere(world: World) -> None:
    kept, secret = world.notifying.choose(ALICE, BOTH)
    assert secret.startswith("shw_") and len(secret) == 47
    assert secret not in kept.model_dump_json()
    assert world.notifying.choose(ALICE, BOTH)[1] == ""
    _, other = world.notifying.choose(ALICE, BOTH, renew=True)
    assert other not in ("", secret)
    world.tell()
    world.turn()
    assert world.poster.sent[0][1] == other
    assert world.ways.secret("bob", kept.salt) != secret


@pytest.mark.parametrize("url", ["http://hooks.example.org", "https://10.0.0.1/", "https://localhost/", "x"])
def test_a_bad_address_is_told_at_its_field_and_changes_nothing(world: World, url: str) -> None:
    with pytest.raises(Invalid) as caught:
        world.notifying.choose(ALICE, BOTH.model_copy(update={"webhook_url": url}))
    assert list(caught.value.problems) == ["webhook_url"]
    assert world.store.notification_choices("alice") is None
    with pytest.raises(Invalid, match="give the address"):
        world.notifying.choose(ALICE, Choices(webhook=(Occasion.ENDED,)))


def test_what_the_site_does_not_offer_is_neither_kept_nor_told(tmp_path: Path) -> None:
    world = World(tmp_path, mail=False, posts=False)
    world.tell()
    assert world.last() == []
    assert world.notifying.choosing(ALICE).offered == ()
    with pytest.raises(Invalid, match="no webhooks"):
        world.notifying.choose(ALICE, BOTH)
    for channel in Channel:
        with pytest.raises(Conflict):
            world.notifying.test(ALICE, channel)
    world.store.close()


def test_a_test_goes_out_once_a_minute(world: World) -> None:
    for _ in range(3):
        world.notifying.test(ALICE, MAIL)
    world.turn()
    world.clock.advance(MINUTE)
    world.notifying.test(ALICE, MAIL)
    world.turn()
    assert [told.occasion for _, told in world.mailer.sent] == ["test", "test"]
    with pytest.raises(Conflict, match="Save an address"):
        world.notifying.test(ALICE, WEBHOOK)
    with pytest.raises(Conflict, match="no e-mail address"):
        world.notifying.test(ALICE.model_copy(update={"email": ""}), MAIL)


def test_a_failure_rests_the_lane_and_no_other(world: World) -> None:
    world.notifying.choose(ALICE, BOTH)
    world.poster.trouble[HOOK] = Unavailable("webhook", "it answers 500")
    world.tell(1)
    world.tell(2)
    world.turn()
    assert len(world.mailer.sent) == 2
    posts = [row for row in world.last() if row.channel is WEBHOOK]
    assert [(row.attempts, row.problem) for row in posts] == [(0, ""), (1, "it answers 500")]
    assert world.sending.due() == []
    world.poster.trouble.clear()
    world.clock.advance(MINUTE)
    world.turn()
    assert [told.subject for *_, told in world.poster.sent] == ["sky 1", "sky 2"]


def test_after_a_day_it_is_given_up(world: World) -> None:
    world.mailer.trouble = Unavailable("mail server", "451 later")
    world.tell()
    begun, tries = world.clock.now(), []
    while (row := world.last()[0]).due_at is not None:
        world.clock.advance((row.due_at - world.clock.now()).total_seconds())
        tries.append((world.clock.now() - begun) / timedelta(minutes=1))
        world.turn()
    assert tries[:8] == [0, 1, 3, 7, 15, 31, 63, 123] and tries[-1] <= 24 * 60
    assert (world.mailer.tries, row.problem, row.sent_at) == (len(tries), "451 later", None)
    assert row.given_up_at is not None
    world.clock.advance(HOUR)
    world.turn()
    assert world.mailer.tries == len(tries)


def test_what_waited_for_a_broker_too_long_is_not_sent(world: World) -> None:
    world.tell()
    world.clock.advance(24 * HOUR + 1)
    world.turn()
    assert (world.mailer.tries, world.last()[0].given_up_at) == (0, world.clock.now())


def test_a_refusal_is_for_good_and_holds_up_nothing(world: World) -> None:
    world.mailer.trouble = Refused({"mail": "550 no such user"})
    world.tell(1)
    world.tell(2)
    world.turn()
    assert [(row.attempts, row.problem) for row in world.last()] == [(1, "550 no such user")] * 2
    assert all(row.given_up_at for row in world.last())


def test_the_address_is_the_directorys_of_now_or_the_last_known(world: World) -> None:
    world.people.add(ALICE.model_copy(update={"email": "new@example.org"}), "x")
    world.tell(1)
    world.turn()
    world.people.down = True
    world.tell(2)
    world.turn()
    assert [address for address, _ in world.mailer.sent] == ["new@example.org", "alice@example.org"]


def test_who_left_or_has_no_address_gets_none(world: World) -> None:
    world.people.add(ALICE.model_copy(update={"email": ""}), "x")
    world.tell(1)
    world.turn()
    world.people.remove("alice")
    world.tell(2)
    world.turn()
    assert world.mailer.tries == 0
    assert [row.problem for row in world.last()] == [
        "the directory does not know them any more",
        "the directory has no address for them",
    ]
    with pytest.raises(NotFound):
        world.people.person("alice")


def test_an_address_taken_away_meanwhile_gets_nothing(world: World) -> None:
    world.notifying.choose(ALICE, BOTH)
    world.tell()
    world.notifying.choose(ALICE, Choices())
    world.turn()
    assert world.poster.sent == []
    assert "there is no address any more" in [row.problem for row in world.last()]


def test_an_event_that_is_rolled_back_is_not_told(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.store.transaction():
        world.notifying.tell("alice", Occasion.FAILED, "k", "s", "t", "/")
        raise ZeroDivisionError
    world.turn()
    assert world.mailer.sent == []


def test_rows_go_after_thirty_days(world: World) -> None:
    world.tell()
    world.turn()
    world.clock.advance(30 * 24 * HOUR + 1)
    world.turn()
    assert world.last() == []


def test_it_stops_when_its_time_is_over(world: World) -> None:
    for number in (1, 2, 3):
        world.tell(number)
    answers = iter([True, False])
    assert world.sending.send((MAIL, "alice"), lambda: next(answers))
    assert len(world.mailer.sent) == 1
    assert world.sending.due() == [(MAIL, "alice")]
