"""What every scheduler adapter must do, the fake included."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.scheduling import Verdict
from sciserver_hpc.domain.states import JobState

from .worlds import World

SLEEP = "sleep 300"


def test_one_outcome_per_job_in_order(world: World) -> None:
    jobs = [world.submission() for _ in range(3)]
    outcomes = world.scheduler.submit(world.owner, jobs)
    assert [outcome.uuid for outcome in outcomes] == [job.uuid for job in jobs]
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    assert len({outcome.slurm_id for outcome in outcomes}) == 3


def test_a_submitted_job_is_seen_at_once_with_its_uuid_and_uid(world: World) -> None:
    job, slurm_id = world.submit(SLEEP)
    found = world.seen(slurm_id)
    assert found is not None
    assert (found.uuid, found.uid) == (job.uuid, world.owner.uid)
    assert found.state in (JobState.PENDING, JobState.RUNNING)
    world.scheduler.cancel(world.owner, [slurm_id])


def test_success_is_seen(world: World) -> None:
    _, slurm_id = world.submit("exit 0")
    found = world.wait(slurm_id, JobState.SUCCEEDED, code=0)
    assert found.exit_code == 0
    assert found.ended_at is not None


def test_failure_is_seen_with_its_code(world: World) -> None:
    _, slurm_id = world.submit("exit 3")
    assert world.wait(slurm_id, JobState.FAILED, code=3).exit_code == 3


def test_a_running_job_is_cancelled(world: World) -> None:
    _, slurm_id = world.submit(SLEEP)
    world.wait(slurm_id, JobState.RUNNING)
    world.scheduler.cancel(world.owner, [slurm_id])
    assert world.wait(slurm_id, JobState.CANCELLED).state is JobState.CANCELLED


def test_cancelling_what_is_over_is_no_error_and_changes_nothing(world: World) -> None:
    _, slurm_id = world.submit("exit 0")
    world.wait(slurm_id, JobState.SUCCEEDED, code=0)
    world.scheduler.cancel(world.owner, [slurm_id])
    found = world.seen(slurm_id)
    assert found is not None and found.state is JobState.SUCCEEDED


def test_look_up_finds_live_jobs_by_uuid(world: World) -> None:
    job, slurm_id = world.submit(SLEEP)
    found = world.scheduler.look_up([world.job(job)])
    assert found is not None and found[job.uuid].slurm_id == slurm_id
    world.scheduler.cancel(world.owner, [slurm_id])


def test_look_up_finds_ended_jobs_with_and_without_their_id(world: World) -> None:
    job, slurm_id = world.submit("exit 3")
    world.wait(slurm_id, JobState.FAILED, code=3)
    for row in (world.job(job), world.job(job, slurm_id)):
        found = world.scheduler.look_up([row])
        assert found is not None and found[job.uuid].state is JobState.FAILED


def test_look_up_is_sure_of_what_nobody_knows(world: World) -> None:
    assert world.scheduler.look_up([world.job(world.submission())]) == {}
    assert world.scheduler.look_up([]) == {}


def test_look_up_does_not_trust_a_uuid_of_another_uid(world: World) -> None:
    job, slurm_id = world.submit(SLEEP)
    assert world.scheduler.look_up([world.job(job, uid=world.owner.uid + 1)]) == {}
    world.scheduler.cancel(world.owner, [slurm_id])


def test_the_live_half_alone_claims_nothing_about_endings(world: World) -> None:
    look = world.scheduler.observe(None)
    assert look.live_complete
    assert not look.ended_complete


def test_what_is_heard_of_endings_is_true(world: World) -> None:
    """A hint may be missing, as where there is no accounting, but it never names a job that goes on."""
    since = world.now() - timedelta(minutes=10)
    _, ended = world.submit("exit 0")
    alive, slurm_id = world.submit(SLEEP)
    world.wait(ended, JobState.SUCCEEDED, code=0)
    world.wait(slurm_id, JobState.RUNNING)
    assert alive.uuid not in (world.scheduler.ended(since) or ())
    world.scheduler.cancel(world.owner, [slurm_id])
    assert not world.broken.ended(since)


def test_a_look_holds_each_job_once(world: World) -> None:
    for _ in range(2):
        _, slurm_id = world.submit("exit 0")
        world.wait(slurm_id, JobState.SUCCEEDED, code=0)
    look = world.scheduler.observe(world.now() - timedelta(minutes=10))
    ids = [sighting.slurm_id for sighting in look.sightings]
    assert len(ids) == len(set(ids))


def test_ping_says_who_answers(world: World) -> None:
    assert world.scheduler.ping()


def test_a_scheduler_that_is_away_is_told_and_nothing_invented(world: World) -> None:
    look = world.broken.observe(world.now() - timedelta(minutes=10))
    assert (look.sightings, look.live_complete, look.ended_complete) == ((), False, False)
    assert look.problem
    assert world.broken.look_up([world.job(world.submission())]) is None
    with pytest.raises(Unavailable):
        world.broken.ping()
