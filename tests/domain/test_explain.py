"""Sentences about jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.ending import cancelled_end, end_of, lost_end, rejected_end
from sciserver_hpc.domain.explain import explain
from sciserver_hpc.domain.jobs import Dependency, End, Usage
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.scheduling import EndRecord, Sighting
from sciserver_hpc.domain.states import JobState
from tests.fakes.jobs import NOON, make_job, make_spec

SOON = NOON + timedelta(minutes=12)


def said(state: JobState, now: timedelta = timedelta(0), **fields: Any) -> str:
    return explain(make_job(state=state, **fields), NOON + now)


@pytest.mark.parametrize(
    ("state", "fields", "sentence"),
    [
        (JobState.ACCEPTED, {}, "Accepted. It goes to Slurm within seconds."),
        (JobState.SUBMITTING, {}, "Being submitted to Slurm."),
        (
            JobState.SUBMITTING,
            {"attempts": 2, "not_before": NOON + timedelta(seconds=30)},
            "It could not be handed to Slurm yet. The next try is in 30 s; nothing for you to do.",
        ),
        (
            JobState.SUBMITTING,
            {"attempts": 1, "submitted_at": NOON, "not_before": NOON + timedelta(seconds=60)},
            "Being submitted to Slurm. Should its answer be lost, it is looked up before a next try in 60 s.",
        ),
        (
            JobState.PENDING,
            {"reason": "Resources", "expected_start": SOON},
            "Pending: it is next in line, waiting for free cores or memory. Nothing to do but wait. Slurm "
            "expects it to start in about 12 min.",
        ),
        (
            JobState.PENDING,
            {"reason": "Resources", "expected_start": NOON},
            "Pending: it is next in line, waiting for free cores or memory. Nothing to do but wait.",
        ),
        (JobState.PENDING, {}, "Pending: Slurm has not looked at it yet."),
        (JobState.RUNNING, {}, "Running, at most 60 min."),
        (
            JobState.RUNNING,
            {"node": "n1", "started_at": NOON - timedelta(minutes=5)},
            "Running on n1 for 5 min of at most 60 min.",
        ),
        (JobState.COMPLETING, {}, "Ended; its results are being brought to you. This takes seconds."),
        (
            JobState.RUNNING,
            {"cancel_requested": True, "cancel_by": "alice"},
            "Being cancelled by alice. Until Slurm has done so: Running, at most 60 min.",
        ),
        (JobState.CANCELLED, {"end": cancelled_end("alice")}, "Cancelled by alice."),
        (
            JobState.REJECTED,
            {"end": rejected_end("Invalid qos")},
            "It could not be submitted: Invalid qos. Mend that and run again, or ask an administrator.",
        ),
        (
            JobState.LOST,
            {"end": lost_end()},
            "Slurm no longer knows this job, and it left no end record. How it ended is unknown. Look at "
            "its files before running it again.",
        ),
        (JobState.SUCCEEDED, {"end": End(summary="Succeeded.")}, "Succeeded."),
        (JobState.TIMEOUT, {}, "Stopped at its time limit. Ask for more time and run again."),
    ],
)
def test_a_state_in_words(state: JobState, fields: dict[str, Any], sentence: str) -> None:
    assert said(state, **fields) == sentence


def test_an_accepted_job_that_stays_says_where_to_look() -> None:
    assert "broker may be down" in said(JobState.ACCEPTED, timedelta(minutes=5))


def test_an_accepted_job_names_what_it_waits_for() -> None:
    spec = make_spec(dependencies=(Dependency(job=7), Dependency(job=9)))
    assert "(job 7, 9)" in said(JobState.ACCEPTED, timedelta(hours=1), spec=spec)


def test_an_array_counts_its_tasks() -> None:
    sentence = said(
        JobState.RUNNING,
        spec=make_spec(array="0-9"),
        tasks={"RUNNING": 2, "SUCCEEDED": 7, "OUT_OF_MEMORY": 1},
    )
    assert sentence.endswith("Tasks: 2 running, 7 succeeded, 1 out of memory.")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Priority", "jobs of higher priority go first"),
        ("(Resources)", "waiting for free cores"),
        ("QOSMaxJobsPerUserLimit", "as many of your jobs run as you may have at once"),
        ("AssocMaxJobsLimit", "as many of your jobs run"),
        ("QOSMaxCpuPerUserLimit", "as much as one person may use"),
        ("AssocGrpCpuLimit", "your group's running jobs use as much"),
        ("AssocGrpCPUMinutesLimit", "used up its computing time"),
        ("QOSMaxMemoryPerJob", "more than one job may have"),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-2]", "not available"),
        ("(Nodes required for job are DOWN, DRAINED or reserved)", "down, drained or reserved"),
        ("Dependency", "waits for a job it depends on"),
        ("DependencyNeverSatisfied", "can never start"),
        ("BeginTime", "start time has not come"),
        ("JobHeldUser", "held by you"),
        ("JobHeldAdmin", "Ask an administrator"),
        ("PartitionTimeLimit", "more time than the partition allows"),
        ("launch failed requeued held", "start failed on the node"),
        ("SomethingOfTheFuture", "Slurm says “SomethingOfTheFuture”."),
    ],
)
def test_slurms_reasons_in_words(reason: str, words: str) -> None:
    assert words in said(JobState.PENDING, reason=reason)


def test_an_unknown_reason_is_quoted_at_limited_length() -> None:
    assert len(said(JobState.PENDING, reason="x" * 10_000)) < 300


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (126, "may not be executed"),
        (127, "not found"),
        (137, "more memory"),
        (139, "crashed"),
        (255, "container"),
        (3, "stderr.txt says more"),
    ],
)
def test_an_exit_code_is_explained(code: int, words: str) -> None:
    job = make_job()
    sighting = Sighting(slurm_id=1, uuid=job.uuid, uid=job.uid, state=JobState.FAILED)
    state, end = end_of(job, sighting, [EndRecord(exit_code=code, slurm_id=1)])
    sentence = said(state, end=end)
    assert f"exit code {code}" in sentence
    assert words in sentence


def test_a_wrapper_that_could_leave_no_record_is_explained_by_its_exit_code() -> None:
    job = make_job()
    sighting = Sighting(slurm_id=1, uuid=job.uuid, uid=job.uid, state=JobState.FAILED, exit_code=98)
    sentence = said(JobState.FAILED, end=end_of(job, sighting, [])[1])
    assert "the volume is full" in sentence
    assert "Delete what you no longer need" in sentence


def test_a_forged_record_of_success_is_not_believed_against_slurm() -> None:
    job = make_job()
    sighting = Sighting(slurm_id=1, uuid=job.uuid, uid=job.uid, state=JobState.FAILED, exit_code=3)
    state, end = end_of(job, sighting, [EndRecord(exit_code=0, slurm_id=1)])
    assert (state, end.exit_code, end.summary) == (JobState.FAILED, 3, "Failed with exit code 3.")


def test_out_of_memory_tells_numbers() -> None:
    job = make_job(spec=make_spec(resources=Resources(memory_mb=1024)))
    sighting = Sighting(
        slurm_id=1,
        uuid=job.uuid,
        uid=job.uid,
        state=JobState.OUT_OF_MEMORY,
        usage=Usage(max_rss=1000 * 2**20),
    )
    state, end = end_of(job, sighting, [])
    assert said(state, end=end) == "Out of memory at 1000 of 1024 MB. Ask for 1536 MB and run again."


@given(
    state=st.sampled_from(JobState),
    reason=st.text(max_size=50),
    node=st.text(max_size=10),
    attempts=st.integers(0, 5),
    cancel=st.booleans(),
    by=st.none() | st.just("alice"),
    array=st.none() | st.just("0-3"),
    times=st.lists(st.none() | st.integers(-10_000, 10_000), min_size=4, max_size=4),
    end=st.none() | st.builds(End, summary=st.sampled_from(["", "Failed."]), advice=st.just("")),
)
def test_every_job_has_a_sentence(
    state: JobState,
    reason: str,
    node: str,
    attempts: int,
    cancel: bool,
    by: str | None,
    array: str | None,
    times: list[int | None],
    end: End | None,
) -> None:
    expected, begun, tried, waits = (None if t is None else NOON + timedelta(seconds=t) for t in times)
    job = make_job(
        state=state,
        reason=reason,
        node=node,
        attempts=attempts,
        cancel_requested=cancel,
        cancel_by=by,
        spec=make_spec(array=array),
        tasks={"RUNNING": 1},
        expected_start=expected,
        started_at=begun,
        submitted_at=tried,
        not_before=waits,
        end=end,
    )
    sentence = explain(job, NOON).replace(reason, "") if reason else explain(job, NOON)
    assert sentence.strip()
    assert "None" not in sentence
    assert "  " not in sentence or node
