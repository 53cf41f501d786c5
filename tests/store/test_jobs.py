"""Jobs: adding, reading, listing, changing, claiming."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from sciserver_hpc.domain.errors import Conflict, Invalid
from sciserver_hpc.domain.gpu_hours import GpuJob
from sciserver_hpc.domain.jobs import End, EventKind, Job, JobEvent, NewJob, Usage
from sciserver_hpc.domain.limits import Load
from sciserver_hpc.domain.listing import ALL, Place, Sought
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import NOON, add_job, change_job, make_job, make_spec, next_job_id

DIGEST = "d" * 64


def add(store: SqlStore, job: Job | None = None, key: str | None = None, fingerprint: str = "f") -> Job:
    return add_job(store, job or make_job(next_job_id(store)), DIGEST, '{"kind": "shell"}', key, fingerprint)


def event(text: str, state: JobState = JobState.PENDING) -> JobEvent:
    return JobEvent(at=NOON, kind=EventKind.STATE, state=state, text=text)


def full(job_id: int) -> Job:
    """A job with something in every field."""
    east = timezone(timedelta(hours=5))
    return make_job(
        job_id,
        state=JobState.TIMEOUT,
        restarts=2,
        slurm_id=2**40,
        claimed_by=2**40,
        reason="Priority",
        expected_start=NOON + timedelta(microseconds=1),
        node="n1",
        cancel_requested=True,
        cancel_by="bob",
        tasks={"RUNNING": 3, "PENDING": 4},
        end=End(exit_code=3, summary="Ω ‘ended’", advice="\\ \" '; DROP TABLE jobs; --", by="bob"),
        usage=Usage(elapsed_s=3, cpu_s=0.25, max_rss=2**40),
        submitted_at=NOON.astimezone(east),
        started_at=datetime(2038, 1, 19, 3, 14, 8, 999999, tzinfo=UTC),
        ended_at=datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        not_before=NOON,
        attempts=4,
    )


def test_a_job_comes_back_as_it_was(store: SqlStore) -> None:
    job = full(next_job_id(store))
    assert add_job(store, job, DIGEST, "{}", None, "f") == job
    assert store.job(job.id) == store.job_by_uuid(job.uuid) == job
    assert store.jobs_by_id([job.id, 99]) == {job.id: job}


def test_a_job_read_is_like_one_validated(store: SqlStore) -> None:
    found = store.job(add(store, full(next_job_id(store))).id)
    assert found is not None
    again = Job.model_validate(found.model_dump())
    assert again == found
    assert again.model_dump_json() == found.model_dump_json()
    moments = (found.accepted_at, found.submitted_at, found.started_at, found.ended_at, found.not_before)
    assert all(moment is not None and moment.utcoffset() == timedelta(0) for moment in moments)


def test_what_is_not_there_is_none(store: SqlStore) -> None:
    assert store.job(1) is None
    assert store.job_by_uuid("0" * 32) is None
    assert store.jobs_by_key("alice", ["k"]) == {}
    assert store.requests([1]) == {}
    assert store.jobs_by_id([]) == {}
    assert store.events(1) == []


def test_the_first_event_and_the_request_are_kept(store: SqlStore) -> None:
    job = add(store)
    assert [(e.at, e.kind, e.state) for e in store.events(job.id)] == [
        (NOON, EventKind.STATE, JobState.ACCEPTED)
    ]
    assert store.requests([job.id]) == {job.id: '{"kind": "shell"}'}


def test_a_key_used_again_gives_the_first_job(store: SqlStore) -> None:
    first = add(store, key="k")
    again = add(store, make_job(next_job_id(store), name="other"), key="k")
    assert again == first
    assert store.jobs_by_key("alice", ["k", "l"]) == {"k": (first, "f")}
    assert len(store.jobs().jobs) == len(store.events(first.id)) == 1


def test_a_key_is_its_owners(store: SqlStore) -> None:
    alices = add(store, key="k")
    bobs = add(store, make_job(next_job_id(store), owner="bob"), key="k")
    assert alices.id != bobs.id
    assert store.jobs_by_key("carol", ["k"]) == {}


def test_a_key_used_for_another_request_is_a_conflict(store: SqlStore) -> None:
    add(store, key="k")
    with pytest.raises(Conflict, match="Use a new key"):
        add(store, key="k", fingerprint="g")


def test_many_are_added_at_once_each_with_its_request_and_event(store: SqlStore) -> None:
    ids = store.next_job_ids(120)
    assert ids == sorted(set(ids)) and len(ids) == 120
    new = [NewJob(make_job(n), DIGEST, f'{{"n": {n}}}', f"k{-n}", "f") for n in ids]
    assert store.add_jobs(new) == [one.job for one in new]
    assert store.jobs_by_id(ids) == {one.job.id: one.job for one in new}
    assert store.requests(ids) == {one.job.id: one.request for one in new}
    assert [len(store.events(n)) for n in ids] == [1] * 120
    assert store.jobs_by_key("alice", [f"k{-n}" for n in ids]) == {one.key: (one.job, "f") for one in new}


def test_no_jobs_are_no_work(store: SqlStore) -> None:
    assert (store.next_job_ids(0), store.add_jobs([])) == ([], [])


def test_a_key_among_many_stops_its_own_job_alone(store: SqlStore) -> None:
    before = add(store, key="before")
    wanted = (
        ("z", "f"),
        ("before", "f"),
        (None, "f"),
        ("before", "g"),
        ("a", "f"),
        ("z", "f"),
        ("z", "g"),
        (None, "f"),
    )
    new = [
        NewJob(make_job(n), DIGEST, "{}", key, fingerprint)
        for n, (key, fingerprint) in zip(store.next_job_ids(len(wanted)), wanted, strict=True)
    ]
    answers = store.add_jobs(new)
    kept = [new[n].job for n in (0, 2, 4, 7)]
    assert [answers[n] for n in (0, 2, 4, 7)] == kept
    assert [answers[1], answers[5]] == [before, kept[0]]
    assert [type(answers[n]) for n in (3, 6)] == [Conflict, Conflict]
    assert f"job {before.id}" in str(answers[3]) and f"job {kept[0].id}" in str(answers[6])
    assert store.jobs().jobs == [*reversed(kept), before]
    assert [len(store.events(one.job.id)) for one in new] == [1, 0, 1, 0, 1, 0, 0, 1]


def test_jobs_without_a_key_are_all_kept(store: SqlStore) -> None:
    assert [add(store).id, add(store).id] == [1, 2]
    assert len(store.jobs().jobs) == 2


def test_one_uuid_twice_is_a_conflict(store: SqlStore) -> None:
    job = add(store)
    with pytest.raises(Conflict):
        add(store, make_job(next_job_id(store), uuid=job.uuid))


def test_lists_are_newest_first_in_pages(store: SqlStore) -> None:
    ids = [add(store).id for _ in range(5)]
    page = store.jobs(limit=2)
    rest = store.jobs(ALL, Place(before_id=page.older))
    assert [job.id for job in page.jobs + rest.jobs] == ids[::-1]
    assert (page.newer, rest.older) == (None, None)
    assert store.jobs(ALL, Place(after_id=rest.newer)).jobs == page.jobs


def test_lists_are_filtered(store: SqlStore) -> None:
    later = NOON + timedelta(hours=1)
    add(store, make_job(next_job_id(store), name="100%_a\\b"))
    add(
        store,
        make_job(next_job_id(store), owner="bob", domain="gpu", state=JobState.FAILED, accepted_at=later),
    )

    def ids(**fields: Any) -> list[int]:
        return [job.id for job in store.jobs(Sought(**fields)).jobs]

    assert ids(owner="bob") == ids(domain="gpu") == ids(after=later) == [2]
    assert ids(states=[JobState.ACCEPTED, JobState.RUNNING]) == ids(before=later) == [1]
    assert ids(name="0%_A\\") == [1]
    assert ids(states=[]) == ids(name="00__a") == ids(owner="bob", domain="batch") == []


def test_jobs_are_counted_by_owner_and_state(store: SqlStore) -> None:
    for owner, state in (
        ("alice", JobState.ACCEPTED),
        ("alice", JobState.FAILED),
        ("bob", JobState.ACCEPTED),
    ):
        add(store, make_job(next_job_id(store), owner=owner, state=state))
    assert store.count_jobs("alice", [JobState.ACCEPTED, JobState.RUNNING]) == 1
    assert store.count_jobs("carol", [JobState.ACCEPTED]) == 0


def test_loads_are_what_each_job_counts(store: SqlStore) -> None:
    asked = (
        ("batch", Resources(cpus=2, tasks=3), None),
        ("batch", Resources(cpus=2, tasks=3), None),
        ("batch", Resources(gpus=2, nodes=2), "0-99%10"),
        ("gpu", Resources(gpus=1), "1,3,5"),
    )
    states = (JobState.RUNNING, JobState.PENDING)
    for place, (domain, resources, array) in enumerate(asked):
        for state in (states[place % 2], JobState.FAILED):
            spec = make_spec(domain=domain, resources=resources, array=array)
            add(store, make_job(next_job_id(store), spec=spec, state=state))
    add(store, make_job(next_job_id(store), owner="bob", state=JobState.RUNNING))
    found = store.loads("alice", states)
    assert sorted(found, key=lambda one: one.jobs) == [
        Load("batch", 2, 12, 0),
        Load("gpu", 3, 3, 3, 3),
        Load("batch", 10, 10, 40, 400),
    ]
    assert store.loads("carol", states) == []


def test_gpu_jobs_are_those_that_count_in_a_month(store: SqlStore, clock: FakeClock) -> None:
    since, gpu = clock.now(), Resources(gpus=1)
    ends = {"live": None, "then": since, "before": since - timedelta(seconds=1)}
    for name, ended in ends.items():
        for resources in (gpu, Resources()):
            spec = make_spec(name=name, resources=resources, array="0-3" if name == "then" else None)
            state = JobState.FAILED if ended else JobState.RUNNING
            usage = Usage(elapsed_s=60) if ended else None
            job = make_job(next_job_id(store), spec=spec, state=state, started_at=NOON, ended_at=ended)
            add(store, job.model_copy(update={"usage": usage}))
    add(store, make_job(next_job_id(store), owner="bob", spec=make_spec(owner="bob", resources=gpu)))
    found = sorted(store.gpu_jobs("alice", since), key=lambda one: one.state)
    assert found == [
        GpuJob("batch", gpu, "0-3", JobState.FAILED, NOON, since, 60),
        GpuJob("batch", gpu, None, JobState.RUNNING, NOON, None),
    ]
    assert store.gpu_jobs("carol", since) == []


def test_active_jobs_are_the_unfinished_and_the_lately_lost(store: SqlStore, clock: FakeClock) -> None:
    for state in JobState:
        add(store, make_job(next_job_id(store), state=state, changed_at=clock.now()))
    unfinished = [job.id for job in store.jobs(limit=99).jobs if not job.state.final][::-1]
    lost = [job.id for job in store.jobs(Sought(states=[JobState.LOST])).jobs]
    assert [job.id for job in store.active_jobs()] == unfinished + lost
    clock.advance(24 * 3600)
    assert [job.id for job in store.active_jobs()] == unfinished


def test_waiting_jobs_are_those_not_submitted_and_those_being_cancelled(store: SqlStore) -> None:
    for state in JobState:
        for cancel in (False, True):
            add(store, make_job(next_job_id(store), state=state, cancel_requested=cancel))
    waiting = [(job.state, job.cancel_requested) for job in store.waiting_jobs()]
    early = (JobState.ACCEPTED, JobState.SUBMITTING)
    wanted = [(state, cancel) for state in early for cancel in (False, True)]
    wanted += [(state, True) for state in (JobState.PENDING, JobState.RUNNING, JobState.COMPLETING)]
    assert waiting == wanted


def test_a_change_is_written_with_its_events(store: SqlStore) -> None:
    job = add(store)
    new = full(job.id).model_copy(update={"uuid": job.uuid, "spec": job.spec, "state": JobState.PENDING})
    stored = change_job(store, job, new, [event("one"), event("two")])
    assert stored == store.job(job.id) == new.model_copy(update={"version": 2})
    assert [e.text for e in store.events(job.id)][1:] == ["one", "two"]


def test_a_change_of_an_old_copy_is_not_written(store: SqlStore) -> None:
    job = add(store)
    first = change_job(store, job, job.model_copy(update={"reason": "first"}), [])
    late = change_job(store, job, job.model_copy(update={"reason": "late"}), [event("late")])
    assert late is None
    assert store.job(job.id) == first
    assert len(store.events(job.id)) == 1


def test_many_changes_succeed_and_fail_one_by_one(store: SqlStore) -> None:
    jobs = [add(store) for _ in range(3)]
    change_job(store, jobs[1], jobs[1], [])
    gone = make_job(99)
    moved = [
        (job, job.model_copy(update={"reason": "x"}), [event("moved")]) for job in (*jobs, gone, jobs[0])
    ]
    stored = store.change_jobs(moved)
    assert [job and job.id for job in stored] == [1, None, 3, None, None]
    assert [len(store.events(job.id)) for job in jobs] == [2, 1, 2]
    assert store.change_jobs([]) == []


def test_the_first_to_claim_a_start_wins(store: SqlStore) -> None:
    job = add(store)
    assert store.claim(job.uuid, DIGEST, 7, 0, None, NOON) == "run"
    assert store.claim(job.uuid, DIGEST, 8, 0, None, NOON) == "duplicate"
    assert store.claim(job.uuid, DIGEST, 7, 1, None, NOON) == "run"
    assert store.claim(job.uuid, DIGEST, 7, 0, 3, NOON) == "run"
    found = store.job(job.id)
    assert found is not None
    assert (found.claimed_by, found.version) == (7, 2)
    assert [e.text for e in store.events(job.id) if e.kind is EventKind.CLAIM] == ["Slurm job 7 starts."]


@pytest.mark.parametrize("digest", ["", "e" * 64, "D" * 64, "dé"])
def test_a_claim_without_the_secret_learns_nothing(store: SqlStore, digest: str) -> None:
    job = add(store)
    assert store.claim(job.uuid, digest, 7, 0, None, NOON) == "unknown"
    assert store.claim("0" * 32, digest, 7, 0, None, NOON) == "unknown"
    assert store.job(job.id) == job


def test_odd_words_from_outside_are_stored_all_the_same(store: SqlStore) -> None:
    job = add(store)
    odd = job.model_copy(update={"reason": "a\0b", "node": "\ud800n"})
    said = event("").model_copy(update={"text": "\0\udfff\u202eΩ"})
    assert change_job(store, job, odd, [said]) is not None
    found = store.job(job.id)
    assert found is not None
    assert (found.reason, found.node) == ("a\ufffdb", "\ufffdn")
    assert store.events(job.id)[-1].text == "\ufffd\ufffd\u202eΩ"


def test_numbers_and_texts_no_database_holds_are_told_as_such(store: SqlStore) -> None:
    for ask in (
        lambda: store.jobs(Sought(name="\0")).jobs,
        lambda: store.jobs(Sought(name="\ud800")).jobs,
        lambda: store.job(2**70),
    ):
        try:
            assert not ask()
        except Invalid as error:
            assert "cannot hold" in str(error)
