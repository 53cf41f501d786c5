"""What one turn does, one sentence a test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from sciserver_hpc.broker.looking import LATELY, OVERLAP
from sciserver_hpc.domain.jobs import Dependency, DependencyType, Usage
from sciserver_hpc.domain.scheduling import EndRecord, Observation, Owner, Submission, SubmitOutcome
from sciserver_hpc.domain.states import JobState
from tests.broker.world import INTERVAL, QUIET, World
from tests.fakes.jobs import change_job, make_spec
from tests.fakes.scheduler import Reply


def test_an_accepted_job_goes_to_slurm_and_comes_back(world: World) -> None:
    job = world.accept()
    world.tick()
    assert world.job(job).state is JobState.PENDING
    [slurm_id] = world.cluster.found(job.uuid)
    assert world.job(job).slurm_id == slurm_id
    world.run(slurm_id)
    world.tick()
    assert world.job(job).state is JobState.RUNNING
    world.end(slurm_id)
    world.tick()
    assert world.job(job).state is JobState.SUCCEEDED


def test_its_history_tells_each_step(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.tick()
    world.end(1001, code=3)
    world.tick()
    said = [event.text for event in world.store.events(job.id)]
    assert "Queued as Slurm job 1001" in said
    assert "Started on n1" in said
    assert said[-1] == "Failed with exit code 3."


def test_a_job_that_claims_its_start_before_sbatch_returned_keeps_the_news(world: World) -> None:
    job = world.accept()
    submit = world.cluster.submit

    def and_start_at_once(owner: Owner, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        outcomes = submit(owner, jobs)
        world.run(1001)
        return outcomes

    world.cluster.submit = and_start_at_once  # type: ignore[method-assign]
    world.tick()
    said = [event.text for event in world.store.events(job.id)]
    assert "Queued as Slurm job 1001" in said
    assert world.job(job).slurm_id == 1001


def test_a_rejection_carries_slurms_words(world: World) -> None:
    job = world.accept()
    world.cluster.script(Reply.REJECT)
    world.tick()
    end = world.job(job).end
    assert world.job(job).state is JobState.REJECTED
    assert end is not None
    assert "Invalid account" in end.summary


def test_a_lost_reply_of_a_queued_job_is_found_again_and_not_submitted_twice(world: World) -> None:
    job = world.accept()
    world.cluster.script(Reply.LOSE_QUEUED)
    world.tick()
    world.tick()
    assert world.job(job).slurm_id == 1001
    for _ in range(100):
        world.tick()
    assert world.cluster.found(job.uuid) == [1001]


def test_a_lost_reply_of_a_job_that_was_not_queued_is_submitted_again_after_the_quiet_period(
    world: World,
) -> None:
    job = world.accept()
    world.cluster.script(Reply.LOSE_NOT_QUEUED)
    world.tick()
    begun = world.now
    while world.job(job).slurm_id is None:
        world.tick()
    assert world.now - begun >= QUIET
    assert len(world.cluster.found(job.uuid)) == 1


def test_the_quiet_period_counts_only_while_the_controller_answers(world: World) -> None:
    job = world.accept()
    world.cluster.script(Reply.LOSE_NOT_QUEUED)
    world.tick()
    world.cluster.live_down = True
    for _ in range(100):
        world.tick()
    world.cluster.live_down = False
    back = world.now
    while world.job(job).slurm_id is None:
        world.tick()
    assert world.now - back >= QUIET


def test_without_accounting_a_doubt_is_not_resolved(world: World) -> None:
    job = world.accept()
    world.cluster.script(Reply.LOSE_NOT_QUEUED)
    world.tick()
    world.cluster.accounting_down = True
    for _ in range(200):
        world.tick()
    assert world.cluster.found(job.uuid) == []
    assert world.cluster.calls["look_up"] == 0, "it would wait for accounting as the look did"
    world.cluster.accounting_down = False
    for _ in range(40):
        world.tick()
    assert len(world.cluster.found(job.uuid)) == 1


def test_a_job_queued_late_by_a_stalled_controller_runs_once(world: World) -> None:
    """The reply was lost, nothing was found, it was submitted again, and then the first copy appears."""
    job = world.accept()
    world.cluster.script(Reply.LOSE_NOT_QUEUED)
    world.tick()
    while world.job(job).slurm_id is None:
        world.tick()
    second = world.job(job).slurm_id
    assert second is not None
    late = world.cluster.queue(world.cluster.submissions[second], make_owner())
    assert world.run(late) == "run"
    assert world.run(second) == "duplicate"
    world.tick()
    assert world.job(job).slurm_id == late
    world.end(late, code=0)
    for _ in range(3):
        world.tick()
    assert world.job(job).state is JobState.SUCCEEDED


def test_another_persons_forged_name_captures_no_row(world: World) -> None:
    job = world.accept()
    world.tick()
    forged = world.cluster.queue(world.cluster.submissions[1001], make_owner("mallory", 6666))
    world.cluster.advance(forged, JobState.FAILED, exit_code=1)
    world.cluster.forget(1001)
    world.tick()
    assert world.job(job).slurm_id == 1001
    assert not world.job(job).state.final


def test_a_controller_outage_changes_no_state(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.tick()
    before = world.job(job)
    world.cluster.live_down = world.cluster.accounting_down = True
    for _ in range(500):
        world.tick()
    assert world.job(job) == before
    assert world.store.notes()["cluster:default"]["ok"] is False


def test_a_job_purged_from_the_queue_is_found_in_accounting(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.end(1001)
    world.cluster.purge(1001)
    world.tick(20)
    assert world.job(job).state is JobState.SUCCEEDED


def test_accounting_is_asked_less_often_than_the_queue_also_for_missing_jobs(world: World) -> None:
    world.accept()
    world.tick()
    world.cluster.forget(1001)
    world.cluster.calls.clear()
    for _ in range(30):
        world.tick()
    assert world.cluster.calls["observe"] == 30
    assert 0 < world.cluster.calls["look_up"] <= 5


def test_accounting_lag_does_not_make_a_job_lost(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.tick()
    world.cluster.accounting_lag = timedelta(minutes=5)
    world.end(1001)
    world.cluster.purge(1001)
    for _ in range(60):
        world.tick()
    assert world.job(job).state is JobState.RUNNING
    for _ in range(120):
        world.tick()
    assert world.job(job).state is JobState.SUCCEEDED


def test_accounting_that_was_away_gets_time_to_catch_up(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.tick()
    world.cluster.forget(1001)
    world.cluster.accounting_down = True
    for _ in range(400):
        world.tick()
    world.cluster.accounting_down = False
    for _ in range(100):
        world.tick()
    assert world.job(job).state is JobState.RUNNING
    for _ in range(400):
        world.tick()
    assert world.job(job).state is JobState.LOST


def test_what_ran_unseen_and_left_its_record_is_not_taken_for_forgotten(world: World) -> None:
    """The portal was out of reach of the nodes, so nobody claimed; the queue and accounting lost the job."""
    job = world.accept()
    world.tick()
    submission = world.cluster.submissions[1001]
    world.folders.records[submission.folder] = [EndRecord(exit_code=0, slurm_id=1001)]
    world.cluster.forget(1001)
    for _ in range(400):
        world.tick()
    assert world.job(job).state is JobState.SUCCEEDED
    assert world.job(job).attempts == 1


def test_another_persons_claim_of_the_same_id_keeps_no_job_from_being_cancelled(world: World) -> None:
    job = world.accept()
    world.tick()
    forged = world.accept(owner="bob", uid=2002)
    world.tick()
    bobs = world.job(forged)
    change_job(world.store, bobs, bobs.model_copy(update={"slurm_id": 1001}), ())
    world.ask_cancel(job)
    for _ in range(3):
        world.tick()
    assert world.job(job).state is JobState.CANCELLED


def test_a_job_nobody_knows_ends_by_its_own_record(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.end(1001, code=4)
    world.cluster.forget(1001)
    for _ in range(400):
        world.tick()
    assert world.job(job).state is JobState.FAILED
    assert world.job(job).end.exit_code == 4  # type: ignore[union-attr]


def test_a_job_nobody_knows_without_a_record_is_lost_and_may_be_found_again(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.cluster.purge(1001)
    for _ in range(400):
        world.tick()
    assert world.job(job).state is JobState.LOST
    world.cluster.advance(1001, JobState.TIMEOUT)
    for _ in range(10):
        world.tick()
    assert world.job(job).state is JobState.TIMEOUT


@pytest.mark.parametrize("accounted", [True, False])
def test_what_a_killed_controller_forgot_before_it_started_is_submitted_again(
    world: World, accounted: bool
) -> None:
    """It saves its state every few seconds; accounting may show such a job as pending for ever."""
    job = world.accept()
    world.tick()
    forget = world.cluster.purge if accounted else world.cluster.forget
    forget(1001)
    forgotten = world.now
    while world.job(job).slurm_id == 1001:
        world.tick()
    assert world.now - forgotten >= QUIET
    for _ in range(3):
        world.tick()
    assert world.job(job).slurm_id == 1002
    assert world.run(1002) == "run"


def test_what_a_killed_controller_forgot_is_not_submitted_again_once_cancelled(world: World) -> None:
    job = world.accept()
    world.tick()
    world.cluster.purge(1001)
    world.ask_cancel(job)
    for _ in range(60):
        world.tick()
    assert world.job(job).state is JobState.CANCELLED
    assert list(world.cluster.submissions) == [1001]


def test_what_was_forgotten_but_claims_its_start_is_not_submitted_again(world: World) -> None:
    """The portal took the claim and died before it wrote that the job runs."""
    job = world.accept()
    world.tick()
    world.cluster.purge(1001)
    while world.job(job).slurm_id == 1001:
        world.tick()
    assert world.run(1001) == "run"
    for _ in range(100):
        world.tick()
    assert list(world.cluster.submissions) == [1001]
    world.end(1001)
    world.tick(20)
    assert world.job(job).state is JobState.SUCCEEDED


def test_what_a_killed_controller_forgot_while_it_ran_is_lost(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.tick()
    world.cluster.purge(1001)
    for _ in range(400):
        world.tick()
    assert world.job(job).state is JobState.LOST
    assert list(world.cluster.submissions) == [1001]


def test_a_cancel_does_not_hit_another_job_that_got_the_forgotten_ones_id(world: World) -> None:
    forgotten = world.accept()
    world.tick()
    world.cluster.forget(1001)
    world.cluster.begin_ids(1001)
    other = world.accept()
    world.tick()
    assert world.job(other).slurm_id == 1001
    world.ask_cancel(forgotten)
    for _ in range(60):
        world.tick()
    assert world.cluster.state(1001) is JobState.PENDING
    assert world.job(forgotten).state is JobState.CANCELLED


def test_success_waits_for_results_to_be_visible(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.cluster.advance(1001, JobState.SUCCEEDED, exit_code=0)
    world.tick()
    assert world.job(job).state is JobState.COMPLETING
    world.end(1001)
    world.tick()
    assert world.job(job).state is JobState.SUCCEEDED


def test_an_agent_that_is_away_delays_the_end_and_invents_none(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.end(1001)
    world.folders.down = True
    for _ in range(100):
        world.tick()
    assert not world.job(job).state.final
    world.folders.down = False
    world.tick()
    assert world.job(job).state is JobState.SUCCEEDED


def test_what_it_used_is_told_when_accounting_knows(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.end(1001)
    world.tick()
    assert world.job(job).state is JobState.SUCCEEDED
    assert world.job(job).usage is None
    used = Usage(elapsed_s=3, cpu_s=2.5, max_rss=10_000_000)
    world.cluster.advance(1001, JobState.SUCCEEDED, usage=used)
    world.tick(20)
    assert world.job(job).usage == used


def test_what_it_used_is_told_when_accounting_lags_by_minutes(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.end(1001)
    world.tick()
    assert world.job(job).state is JobState.SUCCEEDED
    used = Usage(elapsed_s=3, cpu_s=2.5, max_rss=10_000_000)
    world.cluster.accounting_lag = timedelta(minutes=5)
    world.cluster.advance(1001, JobState.SUCCEEDED, usage=used)
    world.cluster.purge(1001)
    for _ in range(100):
        world.tick(5)
    assert world.job(job).usage == used


def test_accounting_is_asked_for_little_but_now_and_then(world: World) -> None:
    """It answers for everybody's jobs."""
    spans: list[timedelta] = []
    observe = world.cluster.observe

    def noting(since: datetime | None) -> Observation:
        if since is not None:
            spans.append(world.clock.now() - since)
        return observe(since)

    world.cluster.observe = noting
    world.accept()
    for _ in range(200):
        world.tick(3)
    assert sum(span > LATELY for span in spans) <= 4
    assert max(spans) == OVERLAP
    assert len(spans) >= 30
    world.cluster.accounting_down = True
    world.tick(20)
    world.cluster.accounting_down = False
    spans.clear()
    world.tick(20)
    assert spans == [OVERLAP]


def test_who_cancelled_it_is_told_when_accounting_knows(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.cluster.advance(1001, JobState.CANCELLED)
    world.tick()
    assert world.job(job).end.summary == "Cancelled."  # type: ignore[union-attr]
    world.cluster.advance(1001, JobState.CANCELLED, cancelled_by=3, usage=Usage(elapsed_s=3))
    world.tick(20)
    assert world.job(job).end.by == "uid 3"  # type: ignore[union-attr]
    assert "an administrator (uid 3)" in world.store.events(job.id)[-1].text


def test_cancelled_before_submission_it_never_reaches_slurm(world: World) -> None:
    job = world.accept()
    world.ask_cancel(job)
    world.tick()
    assert world.job(job).state is JobState.CANCELLED
    assert world.cluster.submissions == {}


@pytest.mark.parametrize("running", [False, True])
def test_cancelled_in_slurm(world: World, running: bool) -> None:
    job = world.accept()
    world.tick()
    if running:
        world.run(1001)
        world.tick()
    world.ask_cancel(job)
    world.tick()
    world.tick()
    assert world.job(job).state is JobState.CANCELLED
    assert world.job(job).end.by == "alice"  # type: ignore[union-attr]


@pytest.mark.parametrize("reply", [Reply.LOSE_QUEUED, Reply.LOSE_NOT_QUEUED])
def test_cancelled_while_in_doubt_it_is_not_submitted_again(world: World, reply: Reply) -> None:
    job = world.accept()
    world.cluster.script(reply)
    world.tick(0.1)
    world.ask_cancel(job)
    for _ in range(60):
        world.tick()
    assert world.job(job).state is JobState.CANCELLED
    assert all(world.cluster.state(i) is JobState.CANCELLED for i in world.cluster.found(job.uuid))


def test_a_cancel_that_got_lost_is_sent_again(world: World) -> None:
    job = world.accept()
    world.tick()
    world.cluster.live_down = True
    world.ask_cancel(job)
    world.tick()
    world.cluster.live_down = False
    for _ in range(20):
        world.tick()
    assert world.job(job).state is JobState.CANCELLED


def test_a_passing_failure_to_submit_is_tried_again_soon(world: World) -> None:
    job = world.accept()
    world.cluster.script(Reply.NOT_TRIED, Reply.NOT_TRIED)
    begun = world.now
    while world.job(job).slurm_id is None:
        world.tick()
    assert world.now - begun < QUIET
    assert world.job(job).attempts == 3


def test_dependencies_wait_here_until_slurm_knows_the_other_job(world: World) -> None:
    first = world.accept()
    spec = make_spec(dependencies=(Dependency(job=first.id),))
    second = world.accept(spec=spec)
    world.cluster.script(Reply.LOSE_NOT_QUEUED)
    world.tick()
    assert world.job(second).state is JobState.ACCEPTED
    while world.job(first).slurm_id is None:
        world.tick()
    world.tick()
    assert world.job(second).state is JobState.PENDING


@pytest.mark.parametrize(
    ("kind", "code", "state"),
    [
        (DependencyType.AFTEROK, 0, JobState.PENDING),
        (DependencyType.AFTEROK, 1, JobState.CANCELLED),
        (DependencyType.AFTERNOTOK, 0, JobState.CANCELLED),
        (DependencyType.AFTERNOTOK, 1, JobState.PENDING),
        (DependencyType.AFTERANY, 1, JobState.PENDING),
    ],
)
def test_a_dependency_on_a_job_that_is_over(
    world: World, kind: DependencyType, code: int, state: JobState
) -> None:
    first = world.accept()
    world.tick()
    world.run(1001)
    world.end(1001, code)
    world.tick()
    second = world.accept(spec=make_spec(dependencies=(Dependency(job=first.id, type=kind),)))
    world.tick()
    assert world.job(second).state is state


def test_one_look_for_any_number_of_jobs(world: World) -> None:
    for _ in range(100):
        world.accept()
    world.tick()
    world.cluster.calls.clear()
    world.tick()
    assert world.cluster.calls["observe"] == 1
    assert world.cluster.calls["look_up"] == 0


def test_a_turn_that_only_submits_reads_no_job_that_is_in_slurm(world: World) -> None:
    """A turn comes with every accepted job: reading all of a thousand each time would cost a thousandfold."""
    for _ in range(50):
        world.accept()
    world.tick()
    world.accept()
    report = world.tick(0.1)
    assert (report.submitted, report.active, report.observed) == (1, 1, False)


def test_looks_come_no_closer_than_the_interval_however_often_it_is_woken(world: World) -> None:
    world.accept()
    world.tick()
    world.cluster.calls.clear()
    for _ in range(20):
        world.tick(0.1)
    assert world.cluster.calls["observe"] <= 1


def test_an_end_that_accounting_knows_is_seen_before_the_next_look_is_due(world: World) -> None:
    job = world.accept()
    world.tick()
    world.cluster.advance(1001, JobState.CANCELLED, cancelled_by=0)
    world.tick(INTERVAL.total_seconds() / 2)
    assert world.job(job).state is JobState.CANCELLED


def test_between_two_looks_accounting_alone_is_asked_and_only_for_jobs(world: World) -> None:
    half = INTERVAL.total_seconds() / 2
    world.tick(half)
    world.tick(half)
    assert world.cluster.calls["ended"] == 0
    world.accept()
    world.tick(half)
    world.tick(half)
    world.cluster.calls.clear()
    for _ in range(10):
        world.tick(half)
    assert (world.cluster.calls["ended"], world.cluster.calls["observe"]) == (5, 5)


def test_accounting_that_does_not_answer_is_not_asked_for_news_for_a_while(world: World) -> None:
    half = INTERVAL.total_seconds() / 2
    world.accept()
    world.tick()
    world.cluster.accounting_down = True
    world.cluster.calls.clear()
    for _ in range(40):
        world.tick(half)
    assert world.cluster.calls["ended"] == 1
    world.cluster.accounting_down = False
    for _ in range(60):
        world.tick(half)
    assert world.cluster.calls["ended"] > 10


def test_news_of_an_end_that_a_look_has_shown_is_no_news(world: World) -> None:
    world.accept()
    world.tick()
    world.run(1001)
    world.end(1001)
    world.tick()
    world.cluster.calls.clear()
    world.tick(INTERVAL.total_seconds() / 2)
    assert world.cluster.calls["observe"] == 0


def test_one_persons_thousand_jobs_leave_room_in_the_turn(world: World) -> None:
    many = [world.accept() for _ in range(200)]
    other = world.accept(owner="bob", uid=2002)
    report = world.tick()
    assert report.more
    assert world.job(other).state is JobState.PENDING
    while world.broker.tick().more:
        pass
    assert all(world.job(job).state is JobState.PENDING for job in many)


def test_an_array_succeeds_when_every_task_left_its_record(world: World) -> None:
    job = world.accept(spec=make_spec(array="0-1"))
    world.tick()
    world.run(1001)
    tasks = {"SUCCEEDED": 2}
    world.end(1001)
    world.cluster.advance(1001, JobState.SUCCEEDED, tasks=tasks)
    world.tick()
    assert world.job(job).state is JobState.COMPLETING
    world.end(1001)
    world.cluster.advance(1001, JobState.SUCCEEDED, tasks=tasks)
    world.tick()
    assert world.job(job).state is JobState.SUCCEEDED


def make_owner(username: str = "alice", uid: int = 2001) -> Owner:
    return Owner(username=username, uid=uid, gid=uid)
