"""The rules of a job's life: forward only, no invented success, no doubt forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.lifecycle import (
    after_absence,
    after_claim,
    after_end,
    after_sighting,
    after_submission,
    begin_submission,
    in_doubt,
    is_of,
    may_submit_again,
    true_copy,
)
from sciserver_hpc.domain.scheduling import EndRecord, Sighting, SubmitOutcome, Verdict
from sciserver_hpc.domain.states import JobState, may_follow
from tests.fakes.jobs import NOON, make_job, make_spec

QUIET = timedelta(seconds=60)
GRACE = timedelta(seconds=60)
states = st.sampled_from(JobState)


def sighting(job: Job, state: JobState | None, slurm_id: int = 7, **fields: object) -> Sighting:
    return Sighting.model_validate(
        {"slurm_id": slurm_id, "uuid": job.uuid, "uid": job.uid, "state": state, "restarts": job.restarts}
        | fields
    )


def running(**fields: object) -> Job:
    return make_job(**{"state": JobState.RUNNING, "slurm_id": 7, "submitted_at": NOON} | fields)


@given(states, st.integers(0, 3), states, st.integers(0, 3))
def test_a_final_state_is_left_only_by_a_requeue_or_by_being_found(
    old: JobState, old_restarts: int, new: JobState, new_restarts: int
) -> None:
    if old.final and may_follow(old, old_restarts, new, new_restarts):
        requeued = new_restarts > old_restarts and old in {JobState.NODE_FAIL, JobState.PREEMPTED}
        assert requeued or old is JobState.LOST


@given(st.lists(st.tuples(states, st.integers(0, 3)), max_size=20))
def test_no_sequence_of_sightings_moves_a_job_backward(seen: list[tuple[JobState, int]]) -> None:
    job = running(state=JobState.PENDING)
    for state, restarts in seen:
        one = sighting(job, state, restarts=restarts)
        step = after_end(job, one, (), NOON, GRACE) if state.final else after_sighting(job, one, NOON)
        if step is not None:
            before, after = (job.restarts, job.state.rank), (step.new.restarts, step.new.state.rank)
            assert after >= before or job.state is JobState.LOST
            job = step.new


def test_submission_is_noted_before_it_happens() -> None:
    begun = begin_submission(make_job(), NOON, QUIET).new
    assert begun.state is JobState.SUBMITTING
    assert in_doubt(begun)


@pytest.mark.parametrize(
    ("verdict", "state", "doubt"),
    [
        (Verdict.ACCEPTED, JobState.PENDING, False),
        (Verdict.REJECTED, JobState.REJECTED, False),
        (Verdict.UNKNOWN, JobState.SUBMITTING, True),
        (Verdict.NOT_TRIED, JobState.SUBMITTING, False),
    ],
)
def test_each_outcome_of_a_submission(verdict: Verdict, state: JobState, doubt: bool) -> None:
    begun = begin_submission(make_job(), NOON, QUIET).new
    outcome = SubmitOutcome(uuid=begun.uuid, verdict=verdict, slurm_id=7, message="words of Slurm")
    after = after_submission(begun, outcome, NOON, QUIET).new
    assert (after.state, in_doubt(after)) == (state, doubt)


def test_slurms_own_words_reach_the_user_when_it_rejects() -> None:
    begun = begin_submission(make_job(), NOON, QUIET).new
    outcome = SubmitOutcome(uuid=begun.uuid, verdict=Verdict.REJECTED, message="invalid qos")
    end = after_submission(begun, outcome, NOON, QUIET).new.end
    assert end is not None
    assert "invalid qos" in end.summary


@pytest.mark.parametrize(
    ("waited_s", "answering_s", "allowed"),
    [(61, 61, True), (61, 30, False), (61, None, False), (10, 3600, False)],
)
def test_a_doubt_rests_while_the_controller_answers(
    waited_s: int, answering_s: int | None, allowed: bool
) -> None:
    begun = begin_submission(make_job(), NOON, QUIET).new
    now = NOON + timedelta(seconds=waited_s)
    since = None if answering_s is None else now - timedelta(seconds=answering_s)
    assert may_submit_again(begun, now, since, QUIET) is allowed


def test_another_persons_job_with_a_forged_name_is_not_ours() -> None:
    job = running()
    assert is_of(sighting(job, JobState.FAILED), job)
    assert not is_of(sighting(job, JobState.FAILED, uid=job.uid + 1), job)


def test_a_reused_slurm_id_with_another_uuid_is_not_ours() -> None:
    job = running()
    assert not is_of(sighting(job, JobState.FAILED, uuid="f" * 32), job)


def test_completed_without_an_end_record_is_no_success() -> None:
    job = running()
    seen = sighting(job, JobState.SUCCEEDED, exit_code=0, ended_at=NOON)
    waiting = after_end(job, seen, (), NOON, GRACE)
    assert waiting is not None
    assert waiting.new.state is JobState.COMPLETING
    late = after_end(waiting.new, seen, (), NOON + GRACE, GRACE)
    assert late is not None
    assert late.new.state is JobState.FAILED


def test_success_needs_slurm_and_the_record() -> None:
    job = running()
    record = EndRecord(exit_code=0, slurm_id=7)
    step = after_end(job, sighting(job, JobState.SUCCEEDED), (record,), NOON, GRACE)
    assert step is not None
    assert step.new.state is JobState.SUCCEEDED
    assert step.new.end is not None
    assert step.new.end.exit_code == 0


def test_a_forged_record_cannot_turn_failure_into_success() -> None:
    job = running()
    record = EndRecord(exit_code=0, slurm_id=7)
    step = after_end(job, sighting(job, JobState.FAILED, exit_code=3), (record,), NOON, GRACE)
    assert step is not None
    assert step.new.state is JobState.FAILED


@pytest.mark.parametrize("slurm_id_and_restarts", [(8, 1), (7, 0)])
def test_a_record_of_another_copy_or_an_earlier_run_does_not_count(
    slurm_id_and_restarts: tuple[int, int],
) -> None:
    job = running(restarts=1)
    slurm_id, restarts = slurm_id_and_restarts
    record = EndRecord(exit_code=0, slurm_id=slurm_id, restarts=restarts)
    step = after_end(job, sighting(job, JobState.SUCCEEDED, ended_at=NOON), (record,), NOON, GRACE)
    assert step is not None
    assert step.new.state is JobState.COMPLETING


def test_tasks_of_an_array_that_were_restarted_alone_count_with_the_others() -> None:
    job = running(spec=make_spec(array="0-1"))
    seen = sighting(job, JobState.SUCCEEDED, restarts=1, tasks={"SUCCEEDED": 2})
    records = [EndRecord(exit_code=0, slurm_id=7, restarts=restarts) for restarts in (0, 1)]
    step = after_end(job, seen, records, NOON, GRACE)
    assert step is not None
    assert step.new.state is JobState.SUCCEEDED


def test_a_record_of_a_restart_that_accounting_does_not_show_counts() -> None:
    job = running()
    record = EndRecord(exit_code=0, slurm_id=7, restarts=1)
    step = after_end(job, sighting(job, JobState.SUCCEEDED), (record,), NOON, GRACE)
    assert step is not None
    assert step.new.state is JobState.SUCCEEDED


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1), None])
def test_the_wait_for_results_does_not_hang_on_slurms_clock(skew: timedelta | None) -> None:
    job = running()
    seen = sighting(job, JobState.SUCCEEDED, ended_at=None if skew is None else NOON + skew)
    waiting = after_end(job, seen, (), NOON, GRACE)
    assert waiting is not None
    assert waiting.new.state is JobState.COMPLETING
    assert after_end(waiting.new, seen, (), NOON + GRACE / 2, GRACE) is None
    late = after_end(waiting.new, seen, (), NOON + GRACE, GRACE)
    assert late is not None
    assert late.new.state is JobState.FAILED


def test_the_records_exit_code_is_preferred_to_accountings() -> None:
    job = running()
    record = EndRecord(exit_code=255, slurm_id=7)
    step = after_end(job, sighting(job, JobState.FAILED, exit_code=127), (record,), NOON, GRACE)
    assert step is not None
    assert step.new.end is not None
    assert step.new.end.exit_code == 255


def test_out_of_memory_says_how_much_to_ask_for() -> None:
    job = running()
    step = after_end(
        job, sighting(job, JobState.OUT_OF_MEMORY, usage={"max_rss": 1020 * 2**20}), (), NOON, GRACE
    )
    assert step is not None
    assert step.new.end is not None
    assert step.new.end.summary == "Out of memory at 1020 of 1024 MB."
    assert "1536 MB" in step.new.end.advice


def test_a_vanished_job_with_a_record_ends_by_it_and_without_is_lost() -> None:
    job = running()
    assert after_absence(job, (), NOON).new.state is JobState.LOST
    assert after_absence(job, (EndRecord(exit_code=0, slurm_id=7),), NOON).new.state is JobState.SUCCEEDED
    assert after_absence(job, (EndRecord(exit_code=1, slurm_id=7),), NOON).new.state is JobState.FAILED
    assert after_absence(job, (EndRecord(exit_code=0, slurm_id=6),), NOON).new.state is JobState.LOST


def test_a_vanished_array_succeeded_only_when_every_task_left_its_record() -> None:
    job = running(spec=make_spec(array="0-1"), tasks={"RUNNING": 2})
    good, bad = EndRecord(exit_code=0, slurm_id=7), EndRecord(exit_code=3, slurm_id=7)
    assert after_absence(job, (good,), NOON).new.state is JobState.LOST
    assert after_absence(job, (good, good), NOON).new.state is JobState.SUCCEEDED
    assert after_absence(job, (bad,), NOON).new.state is JobState.FAILED


def test_a_vanished_job_does_not_end_by_the_record_of_an_earlier_run() -> None:
    job = running(restarts=1)
    assert after_absence(job, (EndRecord(exit_code=0, slurm_id=7),), NOON).new.state is JobState.LOST


def test_a_lost_job_that_is_found_again_tells_the_truth() -> None:
    lost = after_absence(running(), (), NOON).new
    step = after_sighting(lost, sighting(lost, JobState.RUNNING), NOON)
    assert step is not None
    assert step.new.state is JobState.RUNNING
    assert step.new.end is None


def test_of_two_copies_the_one_that_claimed_counts() -> None:
    job = running(claimed_by=8)
    first, second = sighting(job, JobState.SUCCEEDED, 7), sighting(job, JobState.RUNNING, 8)
    assert true_copy(job, [first, second]) is second


def test_without_a_claim_the_copy_that_wrote_the_record_counts() -> None:
    job = running()
    first, second = sighting(job, JobState.SUCCEEDED, 7), sighting(job, JobState.SUCCEEDED, 8)
    assert true_copy(job, [first, second], [EndRecord(exit_code=0, slurm_id=8)]) is second


def test_a_copy_that_left_at_the_fence_gives_way_to_the_one_that_lives() -> None:
    job = running()
    first, second = sighting(job, JobState.SUCCEEDED, 7), sighting(job, JobState.RUNNING, 8)
    assert true_copy(job, [first, second]) is second


def test_a_state_that_cannot_be_read_changes_nothing() -> None:
    job = running()
    assert after_sighting(job, sighting(job, None), NOON) is None
    assert after_end(job, sighting(job, None), (), NOON, GRACE) is None


def test_a_requeue_starts_the_way_again() -> None:
    job = running(state=JobState.NODE_FAIL)
    step = after_sighting(job, sighting(job, JobState.PENDING, restarts=1), NOON)
    assert step is not None
    assert (step.new.state, step.new.restarts) == (JobState.PENDING, 1)


def test_a_claim_says_that_it_runs() -> None:
    begun = begin_submission(make_job(), NOON, QUIET).new
    step = after_claim(begun, 7, 0, "n1", NOON)
    assert step is not None
    assert (step.new.state, step.new.slurm_id, step.new.started_at) == (JobState.RUNNING, 7, NOON)
    assert after_claim(step.new, 7, 0, "n1", NOON) is None


def test_a_claim_cannot_forge_restarts() -> None:
    """Nothing Slurm says later could follow a count that is too high: the job would run for ever."""
    begun = begin_submission(make_job(), NOON, QUIET).new
    assert after_claim(begun, 7, 99, "n1", NOON) is None


def test_cancelled_says_by_whom() -> None:
    mine = running(cancel_requested=True, cancel_by="alice")
    step = after_end(mine, sighting(mine, JobState.CANCELLED), (), NOON, GRACE)
    assert step is not None and step.new.end is not None
    assert step.new.end.summary == "Cancelled by alice."
    waiting = sighting(mine, JobState.CANCELLED, reason="Dependency")
    step = after_end(mine, waiting, (), NOON, GRACE)
    assert step is not None and step.new.end is not None
    assert step.new.end.summary == "Cancelled by alice."
    other = running()
    step = after_end(other, sighting(other, JobState.CANCELLED, cancelled_by=0), (), NOON, GRACE)
    assert step is not None and step.new.end is not None
    assert "administrator" in step.new.end.summary
