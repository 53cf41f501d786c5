"""Transactions, and a database that goes away."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from sciserver_hpc.domain.errors import Conflict, Unavailable
from sciserver_hpc.store.migrate import upgrade
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import NOON, add_job, make_job, next_job_id

from .postgresql import Server

DIGEST = "d" * 64


def test_a_block_is_kept_whole_or_not_at_all(store: SqlStore) -> None:
    with store.transaction():
        store.note("a", {})
        store.note("b", {})
    with pytest.raises(RuntimeError, match="mine"), store.transaction():
        store.note("c", {})
        raise RuntimeError("mine")
    assert set(store.notes()) == {"a", "b"}


def test_a_block_within_a_block_can_fail_alone(store: SqlStore) -> None:
    with store.transaction():
        store.note("outer", {})
        with pytest.raises(OSError, match="mine"), store.transaction():
            store.note("inner", {})
            raise OSError("mine")
        with store.transaction():
            store.note("second", {})
        assert set(store.notes()) == {"outer", "second"}
    assert set(store.notes()) == {"outer", "second"}


def test_an_outer_failure_takes_the_inner_block_with_it(store: SqlStore) -> None:
    with pytest.raises(KeyError), store.transaction():
        with store.transaction():
            store.note("inner", {})
        raise KeyError
    assert store.notes() == {}


def test_a_failed_call_in_a_block_can_be_survived_by_a_block_of_its_own(store: SqlStore) -> None:
    job = make_job(next_job_id(store))
    with store.transaction():
        add_job(store, job, DIGEST, "{}", None, "f")
        with pytest.raises(Conflict), store.transaction():
            add_job(store, make_job(99, uuid=job.uuid), DIGEST, "{}", None, "f")
        store.note("after", {})
    assert store.job(job.id) == job
    assert set(store.notes()) == {"after"}


def test_a_block_is_its_threads_alone(store: SqlStore) -> None:
    seen: list[dict[str, object]] = []
    with store.transaction():
        store.note("mine", {})
        thread = threading.Thread(target=lambda: seen.append(dict(store.notes())))
        thread.start()
        thread.join(60)
    assert seen == [{}]


def test_readers_are_not_held_up_by_a_writer(store: SqlStore, url: str) -> None:
    other = SqlStore(url)
    with store.transaction():
        store.note("a", {})
        assert other.notes() == {}
    assert set(other.notes()) == {"a"}
    other.close()


def test_a_locked_database_is_unavailable(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sciserver.db"
    upgrade(url)
    store = SqlStore(url, timeout_s=0.1)
    blocker = sqlite3.connect(tmp_path / "sciserver.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match=r"^database does not answer: database is locked$"):
        store.note("a", {})
    assert store.notes() == {}
    blocker.execute("ROLLBACK")
    blocker.close()
    store.note("a", {})
    store.close()


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "sciserver.db").write_text("This is not a database. " * 100)
    store = SqlStore(f"sqlite:///{tmp_path}/sciserver.db")
    with pytest.raises(Unavailable, match="not a database"):
        store.ping()
    store.close()


@pytest.mark.postgresql
def test_a_server_that_is_gone_is_unavailable_without_the_password(tmp_path: Path) -> None:
    store = SqlStore(f"postgresql+psycopg://user@/none?host={tmp_path}", "very-secret")
    with pytest.raises(Unavailable) as caught:
        store.ping()
    assert "very-secret" not in str(caught.value)


@pytest.mark.postgresql
def test_a_server_that_comes_back_is_used_again(postgresql: Server) -> None:
    url = postgresql.new_database()
    upgrade(url)
    store = SqlStore(url)
    store.note("a", {})
    postgresql.end_backends()
    assert set(store.notes()) == {"a"}
    with pytest.raises(Unavailable), store.transaction():
        store.note("b", {})
        postgresql.end_backends()
        store.note("c", {})
    assert set(store.notes()) == {"a"}
    store.close()


def _write_until_killed(url: str, reached: Event) -> None:
    store = SqlStore(url)
    for number in range(1000):
        with store.transaction():
            job_id = next_job_id(store)
            add_job(store, make_job(job_id), DIGEST, "{}", f"k{number}", "f")
            if number == 5:
                reached.set()
                signal.pause()
            store.note("last", {"id": job_id})


def test_a_writer_killed_in_mid_transaction_leaves_a_whole_database(store: SqlStore, url: str) -> None:
    context = multiprocessing.get_context("spawn")
    reached = context.Event()
    process = context.Process(target=_write_until_killed, args=(url, reached))
    process.start()
    assert reached.wait(60)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(60)
    jobs = store.jobs(limit=100).jobs
    assert len(jobs) == 5
    assert store.notes() == {"last": {"id": jobs[0].id}}
    assert all(len(store.events(job.id)) == 1 and store.requests([job.id]) == {job.id: "{}"} for job in jobs)
    later = next_job_id(store)
    assert later > jobs[0].id
    add_job(store, make_job(later), DIGEST, "{}", "k5", "f")


def test_a_forked_child_uses_connections_of_its_own(store: SqlStore, tmp_path: Path) -> None:
    store.note("parent", {"at": NOON.isoformat()})
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.note("child", {})
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert set(store.notes()) == {"parent", "child"}


def test_threads_that_write_take_turns_and_one_that_waits_too_long_is_told(tmp_path: Path) -> None:
    """SQLite itself would let the second one sleep and try, again and again."""
    url = f"sqlite:///{tmp_path}/sciserver.db"
    upgrade(url)
    store = SqlStore(url, timeout_s=0.1)
    with (
        ThreadPoolExecutor(1) as other,
        store.transaction(),
        pytest.raises(Unavailable, match="other writers"),
    ):
        other.submit(store.note, "a", {}).result()
    store.note("a", {})
    store.close()
