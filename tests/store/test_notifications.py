"""The outbox: once per event, due when it is, over once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sciserver_hpc.domain.notifications import Channel, Kept, Notification, Occasion, Outgoing, key_of
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock

MAIL, WEBHOOK = Channel.MAIL, Channel.WEBHOOK
MINUTE = timedelta(minutes=1)


def told(store: SqlStore, number: int = 1, who: str = "alice") -> Notification:
    return Notification(
        username=who,
        occasion=Occasion.FAILED,
        key=key_of(f"{number:032x}", Occasion.FAILED),
        subject="sky é failed",
        text="Out of memory.\nAsk for more.",
        url="https://portal/jobs/1",
        at=store._now(),
    )


def due(store: SqlStore, clock: FakeClock, who: str = "alice", way: Channel = MAIL) -> list[Outgoing]:
    return store.notifications_due(way, who, clock.now(), 9)


def test_choices_are_kept_and_replaced(store: SqlStore) -> None:
    assert store.notification_choices("alice") is None
    kept = Kept(mail=(Occasion.ENDED,), webhook_url="https://x", salt="s", secret_made_at=store._now())
    store.keep_notification_choices("alice", Kept())
    store.keep_notification_choices("alice", kept)
    assert (store.notification_choices("alice"), store.notification_choices("bob")) == (kept, None)


def test_an_event_is_there_once_for_each_way_and_person(store: SqlStore, clock: FakeClock) -> None:
    one = told(store)
    store.add_notifications([MAIL, WEBHOOK], one)
    store.add_notifications([MAIL, WEBHOOK], one.model_copy(update={"subject": "again"}))
    store.add_notifications([MAIL], told(store, who="bob"))
    store.add_notifications([], told(store, 2))
    [row] = due(store, clock)
    assert (row.notification, row.attempts, row.problem) == (one, 0, "")
    lanes = store.notifications_waiting(clock.now(), 9)
    assert sorted(lanes) == [(MAIL, "alice"), (MAIL, "bob"), (WEBHOOK, "alice")]
    assert len(store.notifications_waiting(clock.now(), 1)) == 1


def test_what_is_rolled_back_is_not_told(store: SqlStore, clock: FakeClock) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.add_notifications([MAIL], told(store))
        raise ZeroDivisionError
    assert store.notifications_waiting(clock.now(), 9) == []


def test_an_attempt_is_one_brokers(store: SqlStore, clock: FakeClock) -> None:
    store.add_notifications([MAIL], told(store))
    [row] = due(store, clock)
    begun = row.model_copy(update={"attempts": 1, "due_at": clock.now() + MINUTE})
    assert store.keep_notification(row, begun)
    assert not store.keep_notification(row, begun)
    assert due(store, clock) == []
    clock.advance(60)
    assert due(store, clock) == [begun]
    over = begun.model_copy(update={"due_at": None, "sent_at": clock.now()})
    assert store.keep_notification(begun, over)
    assert not store.keep_notification(begun, begun)  # over is over
    assert store.notifications_of("alice", 9) == [over]


def test_a_lane_rests_alone(store: SqlStore, clock: FakeClock) -> None:
    for number in (1, 2):
        store.add_notifications([MAIL, WEBHOOK], told(store, number))
    store.put_notifications_off(WEBHOOK, "alice", clock.now() + MINUTE)
    assert store.notifications_waiting(clock.now(), 9) == [(MAIL, "alice")]
    assert [row.notification for row in due(store, clock)] == [told(store, 1), told(store, 2)]
    clock.advance(60)
    assert len(due(store, clock, way=WEBHOOK)) == 2
    store.put_notifications_off(WEBHOOK, "alice", clock.now() - MINUTE)  # never nearer
    assert len(due(store, clock, way=WEBHOOK)) == 2


def test_old_rows_go(store: SqlStore, clock: FakeClock) -> None:
    store.add_notifications([MAIL], told(store))
    clock.advance(60)
    store.add_notifications([MAIL], told(store, 2))
    assert store.forget_notifications(clock.now()) == 1
    assert [row.notification.key[:32] for row in store.notifications_of("alice", 9)] == [f"{2:032x}"]
