"""The archive's rows: one transaction deletes, keeps a line and counts the file, or does nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from sciserver_hpc.domain.archive import ArchiveRecord
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.store import archive
from sciserver_hpc.store.schema import metadata
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import NOON, add_job, change_job, make_job, next_job_id
from tests.fakes.sessions import make_session_job

from .test_sessions import login, ticket

FILE, DAY = "2026-01/f.jsonl.gz", timedelta(days=1)
LATER = NOON + 100 * DAY


def over(store: SqlStore, at: datetime = NOON, key: str | None = None) -> Job:
    job = make_job(next_job_id(store), state=JobState.FAILED, ended_at=at, changed_at=at)
    return add_job(store, job, "d" * 64, "{}", key)


def read(store: SqlStore, *jobs: Job) -> list[ArchiveRecord]:
    return store.archive_records([job.id for job in jobs], FILE, LATER)


def test_rows_go_and_a_line_stays(store: SqlStore) -> None:
    job, other = over(store, key="k"), over(store)
    records = read(store, job)
    store.begin_archive_file(FILE, LATER)
    assert store.unfinished_archive_files() == [FILE]
    assert store.archive(records, FILE, LATER)
    assert store.unfinished_archive_files() == []
    assert (store.job(job.id), store.events(job.id), store.requests([job.id])) == (None, [], {})
    assert store.job(other.id) == other and len(store.events(other.id)) == 1
    [line] = store.archived_jobs("alice", None, 10)
    assert line == records[0].job == store.archived_by_id([job.id, other.id])[job.id]
    assert store.archived_by_key("alice", ["k", "l"]) == {"k": line}
    assert store.archived_by_key("bob", ["k"]) == {}
    assert store.uuids_known([job.uuid, other.uuid, "f" * 32]) == {job.uuid, other.uuid}
    row = json.loads(records[0].line)["job"]
    assert row["ended_at"] == "2026-01-15T12:00:00+00:00" and "claim_digest" not in row


def test_all_that_hangs_on_a_job_goes_with_it() -> None:
    """A table that refers to jobs and is not told here would keep every job from being archived."""
    referring = {
        table.name
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == "jobs"
    }
    assert {table.name for _, table in archive._HANGING} == referring


def test_no_id_of_an_archived_job_comes_again(store: SqlStore) -> None:
    job = over(store)
    store.begin_archive_file(FILE, LATER)
    store.archive(read(store, job), FILE, LATER)
    assert next_job_id(store) > job.id


@pytest.mark.parametrize("trouble", ["changed", "barred", "not noted", "counted"])
def test_all_or_nothing(store: SqlStore, trouble: str) -> None:
    jobs = [over(store), over(store)]
    records = read(store, *jobs)
    if trouble != "not noted":
        store.begin_archive_file(FILE, LATER)
    if trouble == "changed":
        change_job(store, jobs[1], jobs[1].model_copy(update={"reason": "news"}), [])
    if trouble == "barred":
        assert store.bar_archive_file(FILE)
    if trouble == "counted":
        assert store.archive(read(store, over(store)), FILE, LATER)
    assert not store.archive(records, FILE, LATER)
    assert {job.id for job in jobs} <= {job.id for job in store.jobs().jobs}
    assert store.archived_by_id([job.id for job in jobs]) == {}


def test_a_file_that_counts_cannot_be_barred_nor_forgotten(store: SqlStore) -> None:
    store.begin_archive_file(FILE, LATER)
    store.archive(read(store, over(store)), FILE, LATER)
    assert not store.bar_archive_file(FILE) and not store.bar_archive_file("never heard of")
    store.begin_archive_file("2026-01/g", LATER)
    store.bar_archive_file("2026-01/g")
    store.forget_archive_files(LATER)
    assert store.unfinished_archive_files() == ["2026-01/g"]
    store.forget_archive_files(LATER + DAY)
    assert store.unfinished_archive_files() == []


def test_what_may_go_is_told_longest_over_first_and_month_by_month(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, first, feb = over(store, NOON + DAY), over(store), over(store, NOON + 30 * DAY)
    over(store, LATER)
    assert store.archivable(LATER, 9) == [(first.id, NOON), (second.id, NOON + DAY)]
    assert store.archivable(LATER, 1) == [(first.id, NOON)]
    assert store.count_archivable(LATER) == 3
    assert store.archivable(NOON, 9) == []
    monkeypatch.setattr(archive, "MOST_BYTES", 1)
    assert store.archivable(LATER, 9) == [(first.id, NOON)]
    assert feb.id not in dict(store.archivable(LATER, 9))


def test_a_session_somebody_is_in_stays(store: SqlStore) -> None:
    job = make_session_job(next_job_id(store), state=JobState.FAILED, ended_at=NOON, changed_at=NOON)
    add_job(store, job, "d", "{}")
    found = store.session(job.id)
    assert found is not None
    assert store.count_archivable(LATER) == 0
    store.keep_session(found[1], found[1].model_copy(update={"closed": True}))
    assert store.count_archivable(LATER) == 1
    store.add_ticket(ticket(job, login(store)), "t")
    assert store.count_archivable(LATER) == 1, "a ticket that nobody used is nobody's way in"
    used = store.use_ticket(job.id, "t", "c", NOON)
    assert used is not None and store.count_archivable(LATER) == 0
    store.close_passes([used.id], NOON)
    records = read(store, job)
    assert "digest" not in json.loads(records[0].line)["passes"][0]
    store.begin_archive_file(FILE, LATER)
    assert store.archive(records, FILE, LATER)
    assert store.session(job.id) is None
