"""Several threads and processes at once: one winner, nothing lost, nothing doubled."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.domain.jobs import EventKind, Job, JobEvent, NewJob
from sciserver_hpc.domain.states import ACTIVE, JobState
from sciserver_hpc.store.engine import make_engine
from sciserver_hpc.store.migrate import upgrade
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import NOON, add_job, make_job, next_job_id

DIGEST = "d" * 64
AT_ONCE = 8
PATIENT = 60.0


@pytest.fixture
def stores(url: str) -> Iterator[list[SqlStore]]:
    """One per contender, as processes would have."""
    made = [SqlStore(url, timeout_s=PATIENT) for _ in range(AT_ONCE)]
    yield made
    for store in made:
        store.close()


def together(stores: list[SqlStore], act: Callable[[int, SqlStore], Any]) -> list[Any]:
    """`act` by all stores, each in a thread of its own, started at one moment."""
    start = threading.Barrier(len(stores))

    def one(number: int) -> Any:
        start.wait(PATIENT)
        return act(number, stores[number])

    with ThreadPoolExecutor(len(stores)) as pool:
        return list(pool.map(one, range(len(stores))))


def test_one_key_gives_one_job(stores: list[SqlStore]) -> None:
    def submit(_number: int, store: SqlStore) -> int:
        return add_job(store, make_job(next_job_id(store)), DIGEST, "{}", "k", "f").id

    for _ in range(5):
        assert len(set(together(stores, submit))) == 1
    jobs = stores[0].jobs().jobs
    assert len(jobs) == len(stores[0].events(jobs[0].id)) == 1


def test_who_waits_for_their_turn_sees_what_others_added(stores: list[SqlStore]) -> None:
    def submit(_number: int, store: SqlStore) -> int:
        added = 0
        for _ in range(3):
            with store.transaction():
                store.hold_jobs("alice")
                if store.count_jobs("alice", ACTIVE) < 5:
                    add_job(store, make_job(next_job_id(store)), DIGEST, "{}", None, "f")
                    added += 1
        return added

    assert sum(together(stores, submit)) == 5


def test_the_same_many_sent_at_once_are_made_once_and_nobody_waits_in_a_ring(stores: list[SqlStore]) -> None:
    keys = [f"k{number}" for number in range(40)]

    def submit(number: int, store: SqlStore) -> dict[str, int]:
        ids = store.next_job_ids(len(keys))
        order = keys if number % 2 else keys[::-1]
        new = [NewJob(make_job(n), DIGEST, "{}", key, "f") for n, key in zip(ids, order, strict=True)]
        answers = store.add_jobs(new)
        return {key: job.id for key, job in zip(order, answers, strict=True) if isinstance(job, Job)}

    first, *others = together(stores, submit)
    assert set(first) == set(keys) and all(other == first for other in others)
    assert len(stores[0].jobs(limit=100).jobs) == len(keys)


def test_one_contender_leads(stores: list[SqlStore]) -> None:
    for turn in range(5):
        now = NOON + timedelta(hours=turn)
        won = together(stores, lambda n, store, now=now: store.lead(f"broker-{n}", now, timedelta(minutes=1)))
        assert sum(won) == 1


def test_one_copy_starts(stores: list[SqlStore]) -> None:
    first = stores[0]
    jobs = [add_job(first, make_job(next_job_id(first)), DIGEST, "{}", None, "f") for _ in range(30)]

    def claim_all(number: int, store: SqlStore) -> list[str]:
        return [store.claim(job.uuid, DIGEST, number + 1, 0, None, NOON) for job in jobs]

    said = together(stores, claim_all)
    for position, job in enumerate(jobs):
        answers = [some[position] for some in said]
        assert sorted(answers) == ["duplicate"] * (AT_ONCE - 1) + ["run"]
        stored = first.job(job.id)
        assert stored is not None
        assert stored.claimed_by == answers.index("run") + 1


def test_of_changes_to_one_version_one_is_written(stores: list[SqlStore]) -> None:
    first = stores[0]
    jobs = [add_job(first, make_job(next_job_id(first)), DIGEST, "{}", None, "f") for _ in range(20)]

    def change(number: int, store: SqlStore) -> list[int]:
        said = JobEvent(at=NOON, kind=EventKind.NOTE, state=JobState.ACCEPTED, text=str(number))
        order = jobs if number % 2 else jobs[::-1]
        wanted = [(job, job.model_copy(update={"reason": str(number)}), [said]) for job in order]
        return [job.id for job in store.change_jobs(wanted) if job is not None]

    winners = together(stores, change)
    assert sorted(job_id for won in winners for job_id in won) == [job.id for job in jobs]
    for job in first.jobs().jobs:
        assert job.version == 2
        assert [event.text for event in first.events(job.id)[1:]] == [job.reason]


def test_two_upgrades_at_once_make_the_tables_once(empty_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(upgrade, [empty_url] * 2))) == 1


def test_a_new_file_can_be_opened_by_several_at_once(tmp_path: Path) -> None:
    """Portal and broker start together; switching a file to WAL locks it, and SQLite does not wait there."""
    for number in range(30):
        url = f"sqlite:///{tmp_path}/{number}.db"
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(_opened, [url] * 6)) == [1] * 6


def _opened(url: str) -> int:
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            return int(connection.exec_driver_sql("SELECT 1").scalar_one())
    finally:
        engine.dispose()


def _submit_many(url: str, count: int) -> list[int]:
    store = SqlStore(url, timeout_s=PATIENT)
    try:
        ids = [next_job_id(store) for _ in range(count)]
        return [add_job(store, make_job(job_id), DIGEST, "{}", f"k{job_id}", "f").id for job_id in ids]
    finally:
        store.close()


def test_processes_get_job_ids_of_their_own(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=context) as pool:
        found = list(pool.map(_submit_many, [url] * 3, [50] * 3))
    ids = [job_id for some in found for job_id in some]
    assert len(set(ids)) == 150
    assert all(some == sorted(some) for some in found)


def test_a_rolled_back_transaction_frees_no_id_that_was_seen(store: SqlStore) -> None:
    seen = next_job_id(store)
    with pytest.raises(KeyError), store.transaction():
        add_job(store, make_job(seen), DIGEST, "{}", None, "f")
        raise KeyError
    assert store.job(seen) is None
    assert next_job_id(store) > seen
