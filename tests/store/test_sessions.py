"""Sessions, passes and kept forms, on both engines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from sciserver_hpc.domain.errors import Conflict
from sciserver_hpc.domain.jobs import Job, NewJob
from sciserver_hpc.domain.sessions import Pass, Session, SessionMode, StopCause
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tokens import TokenKind
from sciserver_hpc.store.engine import make_engine
from sciserver_hpc.store.schema import session_passes, sessions
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import NOON, add_job, change_job, make_job, next_job_id
from tests.fakes.sessions import make_row, make_session_job, make_status, open_row

DIGEST = "d" * 64
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PATIENT = 60.0


def add(store: SqlStore, owner: str = "alice", key: str | None = None, **fields: Any) -> Job:
    job = make_session_job(next_job_id(store), owner=owner, **fields)
    return add_job(store, job, DIGEST, "{}", key)


def move(store: SqlStore, job: Job, **fields: Any) -> Job:
    old = store.job(job.id)
    assert old is not None
    changed = change_job(store, old, old.model_copy(update=fields), ())
    assert changed is not None
    return changed


def row_of(store: SqlStore, job: Job) -> Session:
    found = store.session(job.id)
    assert found is not None
    return found[1]


def ids(found: list[tuple[Job, Session]]) -> list[int]:
    return [job.id for job, _ in found]


# rows ------------------------------------------------------------------------------------------------
def test_a_session_has_its_row_from_the_first(store: SqlStore) -> None:
    job = add(store)
    assert store.session(job.id) == store.session_by_uuid(job.uuid) == (job, make_row(job))
    other = add_job(store, make_job(next_job_id(store)), DIGEST, "{}")
    assert store.session(other.id) is store.session_by_uuid(other.uuid) is store.session(999) is None
    assert ids(store.sessions_by_id([job.id, other.id])) == [job.id]
    assert store.sessions_by_id([]) == []


def test_a_row_comes_and_goes_with_its_jobs_transaction(store: SqlStore) -> None:
    with pytest.raises(KeyError), store.transaction():
        job = add(store)
        assert store.session(job.id) is not None
        raise KeyError
    assert store.session(job.id) is None and store.job(job.id) is None


def test_a_repeated_key_makes_no_second_row(store: SqlStore, url: str) -> None:
    first = add(store, key="k")
    assert add(store, key="k") == first
    [told] = store.add_jobs([NewJob(make_session_job(next_job_id(store)), DIGEST, "{}", "k", "another")])
    assert isinstance(told, Conflict)
    assert ids(store.sessions_of("alice", 10)) == [first.id]
    engine = make_engine(url)
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(sessions)).scalar_one() == 1
    engine.dispose()


def test_all_of_a_row_is_kept(store: SqlStore) -> None:
    job = add(store)
    full = open_row(
        job.model_copy(update={"slurm_id": 7}),
        cpu_percent=12.5,
        idle_warned_at=NOON,
        idle_warned_s=6600.5,
        time_warned_at=NOON,
        stop=StopCause.IDLE,
        stop_at=NOON,
        told_at=NOON,
        closed=True,
        forgotten=True,
        knocked=True,
        status=make_status(job, 7.5, slurm_id=7, passes={3: 2}),
    )
    kept = store.keep_session(row_of(store, job), full)
    assert kept == full.model_copy(update={"version": 2}) == row_of(store, job)


def test_of_two_changes_to_one_version_one_is_written(store: SqlStore) -> None:
    old = row_of(store, add(store))
    first = store.keep_session(old, old.model_copy(update={"address": "10.0.0.1:1"}))
    assert first is not None and first.version == 2
    assert store.keep_session(old, old.model_copy(update={"address": "10.0.0.2:2"})) is None
    found = store.session(old.job_id)
    assert found is not None and found[1] == first


def test_cards_are_a_persons_newest_first_without_those_taken_away(store: SqlStore) -> None:
    one, two, _ = add(store), add(store), add(store, owner="bob")
    assert ids(store.sessions_of("alice", 10)) == [two.id, one.id]
    assert ids(store.sessions_of("alice", 1)) == [two.id]
    row = row_of(store, two)
    store.keep_session(row, row.model_copy(update={"forgotten": True}))
    assert ids(store.sessions_of("alice", 10)) == [one.id]


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize("closed", [False, True])
def test_what_is_tended(store: SqlStore, state: JobState, closed: bool) -> None:
    job = move(store, add(store), state=state)
    row = row_of(store, job)
    store.keep_session(row, row.model_copy(update={"closed": closed}))
    waits = state in (JobState.ACCEPTED, JobState.SUBMITTING, JobState.PENDING)
    tended = state is JobState.RUNNING if closed else not waits
    assert ids(store.sessions_to_tend()) == ([job.id] if tended else [])
    assert store.count_sessions("alice") == (0 if state.final else 1)
    assert store.count_sessions("bob") == 0


# passes ----------------------------------------------------------------------------------------------
def login(store: SqlStore, username: str = "alice", minutes: int = 60, digest: str = "l" * 64) -> int:
    end = NOON + minutes * MINUTE
    return store.add_token(username, TokenKind.LOGIN, "login", frozenset(), digest, NOON, end).id


def ticket(job: Job, login_id: int, username: str = "alice", at: datetime = NOON) -> Pass:
    return Pass(
        id=0,
        job_id=job.id,
        username=username,
        login=login_id,
        mode=SessionMode.USE,
        created_at=at,
        expires_at=at + 30 * SECOND,
    )


def test_a_ticket_becomes_a_pass_once(store: SqlStore) -> None:
    job, mine = add(store), login(store)
    made = store.add_ticket(ticket(job, mine), "t")
    assert store.live_pass(job.id, "t", NOON) is None and store.live_passes([job.id]) == []
    used = store.use_ticket(job.id, "t", "c", NOON + SECOND)
    assert used == made.model_copy(update={"used_at": NOON + SECOND})
    assert store.use_ticket(job.id, "t", "c2", NOON + SECOND) is None
    assert store.use_ticket(job.id, "c", "c2", NOON + SECOND) is None
    assert store.live_pass(job.id, "c", NOON + MINUTE) == used
    assert store.live_pass(job.id, "t", NOON + MINUTE) is None
    assert store.live_passes([job.id]) == [used]
    assert store.live_passes([]) == []


@pytest.mark.parametrize(("seconds", "good"), [(29, True), (30, False), (3600, False)])
def test_a_ticket_is_good_in_its_time_alone(store: SqlStore, seconds: int, good: bool) -> None:
    job = add(store)
    store.add_ticket(ticket(job, login(store, minutes=600)), "t")
    assert (store.use_ticket(job.id, "t", "c", NOON + seconds * SECOND) is not None) is good


def test_a_ticket_is_for_its_session_alone(store: SqlStore) -> None:
    job, other = add(store), add(store)
    store.add_ticket(ticket(job, login(store)), "t")
    assert store.use_ticket(other.id, "t", "c", NOON) is None
    assert store.use_ticket(job.id, "t", "c", NOON) is not None
    assert store.live_pass(other.id, "c", NOON) is None


def test_a_ticket_is_nothing_once_its_login_is_over(store: SqlStore) -> None:
    job, mine = add(store), login(store)
    store.add_ticket(ticket(job, mine), "t")
    assert store.revoke_token("alice", mine)
    assert store.use_ticket(job.id, "t", "c", NOON) is None


def test_a_pass_dies_with_its_login_and_with_no_other(store: SqlStore) -> None:
    job, one, two = add(store), login(store), login(store, digest="m" * 64)
    for number, mine in enumerate((one, two)):
        store.add_ticket(ticket(job, mine), f"t{number}")
        store.use_ticket(job.id, f"t{number}", f"c{number}", NOON)
    store.revoke_token("alice", one)
    assert store.live_pass(job.id, "c0", NOON) is None
    assert store.live_pass(job.id, "c1", NOON) is not None
    [orphan] = store.orphaned_passes(NOON)
    assert orphan.login == one
    assert len(store.orphaned_passes(NOON + 60 * MINUTE)) == 2, "the other login's time is over by then"
    assert store.live_pass(job.id, "c1", NOON + 60 * MINUTE) is None


def test_a_pass_does_not_live_by_anybody_elses_login(store: SqlStore) -> None:
    job, theirs = add(store), login(store, username="bob")
    store.add_ticket(ticket(job, theirs), "t")
    assert store.use_ticket(job.id, "t", "c", NOON) is None


def test_a_closed_pass_is_over_for_good(store: SqlStore) -> None:
    job, mine = add(store), login(store)
    for name in "ab":
        store.add_ticket(ticket(job, mine), f"t{name}")
        store.use_ticket(job.id, f"t{name}", name, NOON)
    first, second = store.live_passes([job.id])
    store.close_passes([first.id], NOON)
    store.close_passes([first.id], NOON + MINUTE)
    store.close_passes([], NOON)
    assert store.live_pass(job.id, "a", NOON) is None
    assert store.live_passes([job.id]) == [second]
    store.revoke_token("alice", mine)
    assert store.orphaned_passes(NOON) == [second]


def test_tickets_that_nobody_used_do_not_pile_up(store: SqlStore, url: str) -> None:
    job, mine, theirs = add(store), login(store), login(store, username="bob", digest="b" * 64)
    store.add_ticket(ticket(job, mine), "used")
    store.use_ticket(job.id, "used", "c", NOON)
    store.add_ticket(ticket(job, theirs, "bob"), "bobs")
    for minute in range(5):
        store.add_ticket(ticket(job, mine, at=NOON + minute * MINUTE), f"t{minute}")
    engine = make_engine(url)
    with engine.connect() as connection:
        left = set(connection.execute(select(session_passes.c.digest)).scalars())
    engine.dispose()
    assert left == {"c", "bobs", "t4"}


@pytest.fixture
def stores(url: str) -> Iterator[list[SqlStore]]:
    made = [SqlStore(url, timeout_s=PATIENT) for _ in range(2)]
    yield made
    for one in made:
        one.close()


def test_of_two_who_come_with_one_ticket_at_once_one_gets_in(stores: list[SqlStore]) -> None:
    job, mine = add(stores[0]), login(stores[0])
    for turn in range(10):
        stores[0].add_ticket(ticket(job, mine), f"t{turn}")
        start = threading.Barrier(2)

        def come(number: int, turn: int = turn, start: threading.Barrier = start) -> Pass | None:
            start.wait(PATIENT)
            return stores[number].use_ticket(job.id, f"t{turn}", f"c{turn}-{number}", NOON)

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(come, range(2)))
        assert sum(one is not None for one in found) == 1
        lives = [stores[0].live_pass(job.id, f"c{turn}-{number}", NOON) for number in range(2)]
        assert lives == found


# kept forms --------------------------------------------------------------------------------------------
def test_a_form_is_kept_under_its_name_by_app_and_person(store: SqlStore) -> None:
    store.keep_preset("alice", "lab", "big", "1")
    store.keep_preset("alice", "lab", "big", "2")
    store.keep_preset("alice", "lab", "all", "3")
    store.keep_preset("alice", "desk", "big", "4")
    store.keep_preset("bob", "lab", "big", "5")
    assert list(store.presets("alice", "lab").items()) == [("all", "3"), ("big", "2")]
    assert store.remove_preset("alice", "lab", "big")
    assert not store.remove_preset("alice", "lab", "big")
    assert store.presets("alice", "lab") == {"all": "3"}
    assert store.presets("bob", "lab") == {"big": "5"}
