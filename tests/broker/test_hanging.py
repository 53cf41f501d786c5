"""One person's agent hangs: nobody else waits for it, and nothing of that person's is lost or doubled."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from sciserver_hpc.broker.errands import QUICK, SLOW, Errand, Errands, Turnout, Whose
from sciserver_hpc.broker.submitting import BATCH, PER_TURN
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.lifecycle import in_doubt
from sciserver_hpc.domain.scheduling import Owner, Submission, SubmitOutcome
from sciserver_hpc.domain.states import JobState
from tests.broker.world import QUIET, World
from tests.fakes.scheduler import Reply

ALICE, BOB = 2001, 2002
PLACES = ["submit", "answer", "cancel", "end records"]


def three(world: World, *uids: int) -> list[list[Job]]:
    """Each one's jobs: one that has ended in Slurm, one in the queue to be cancelled, one accepted."""
    whose = [{"owner": f"user{uid}", "uid": uid} for uid in uids]
    first = [[world.accept(**fields), world.accept(**fields)] for fields in whose]
    world.tick()
    for ended, unwanted in first:
        slurm_id = world.job(ended).slurm_id
        assert slurm_id is not None
        world.run(slurm_id)
        world.end(slurm_id)
        world.ask_cancel(unwanted)
    return [[*jobs, world.accept(**fields)] for jobs, fields in zip(first, whose, strict=True)]


def states(world: World, jobs: list[Job]) -> list[JobState]:
    return [world.job(job).state for job in jobs]


def hanging(world: World, place: str = "submit") -> Job:
    """A job of alice's whose agent hangs with it."""
    job = world.accept()
    world.gate.shut(place, ALICE)
    world.tick()
    assert world.job(job).state is JobState.SUBMITTING or place == "answer"
    assert len(world.strands.standing) == 1
    return job


@pytest.mark.parametrize("place", PLACES)
def test_others_are_submitted_cancelled_and_judged_in_the_same_turn(world: World, place: str) -> None:
    hers, his = three(world, ALICE, BOB)
    world.gate.shut(place, ALICE)
    world.tick()
    assert states(world, his) == [JobState.SUCCEEDED, JobState.CANCELLED, JobState.PENDING]
    assert world.strands.standing
    world.gate.open_all()
    world.strands.resume_all()
    for _ in range(10):
        world.tick()
    assert states(world, hers) == [JobState.SUCCEEDED, JobState.CANCELLED, JobState.PENDING]


def test_an_answer_that_comes_after_its_turn_is_recorded_and_wakes_the_loop(world: World) -> None:
    job = hanging(world)
    assert world.wakes == 0
    world.strands.resume_all()
    assert world.job(job).state is JobState.PENDING
    assert world.wakes == 1


def test_what_is_under_way_is_not_submitted_again_however_long_it_takes(world: World) -> None:
    job = hanging(world)
    for _ in range(100):
        world.tick(20)
    assert world.now > (world.job(job).not_before or world.now)
    assert in_doubt(world.job(job))
    assert world.cluster.calls["look_up"] == 0
    world.gate.open_all()
    world.strands.resume_all()
    assert (world.job(job).state, world.job(job).attempts) == (JobState.PENDING, 1)
    assert world.cluster.found(job.uuid) == [1001]


def test_what_is_under_way_is_not_cancelled_as_if_slurm_had_no_copy(world: World) -> None:
    job = hanging(world)
    world.ask_cancel(job)
    for _ in range(20):
        world.tick(20)
    assert world.job(job).state is JobState.SUBMITTING
    world.strands.resume_all()
    for _ in range(3):
        world.tick()
    assert world.job(job).state is JobState.CANCELLED
    assert world.cluster.state(1001) is JobState.CANCELLED


def test_a_job_cancelled_before_its_batch_began_is_not_handed_over(world: World) -> None:
    """The rows of an errand's later batches are as old as its turn."""
    jobs = [world.accept() for _ in range(BATCH + 8)]
    world.gate.shut("answer", ALICE)
    world.clock.advance(1)
    world.broker.tick()
    world.ask_cancel(jobs[-1])
    world.gate.open_all()
    world.strands.resume_all()
    while world.tick().submitted:
        pass
    assert world.job(jobs[-1]).state is JobState.CANCELLED
    assert world.cluster.found(jobs[-1].uuid) == []


def test_slurms_own_word_counts_before_the_agents(world: World) -> None:
    job = hanging(world, "answer")
    world.tick()
    assert (world.job(job).state, world.job(job).slurm_id) == (JobState.PENDING, 1001)
    world.run(1001)
    world.end(1001)
    world.tick()
    ended = world.job(job)
    assert ended.state is JobState.SUCCEEDED
    world.strands.resume_all()
    assert world.job(job) == ended


def test_what_was_seen_while_under_way_is_not_taken_for_forgotten_before_the_answer(world: World) -> None:
    job = hanging(world, "answer")
    world.tick()
    world.cluster.purge(1001)
    for _ in range(40):
        world.tick(20)
    assert (world.job(job).state, world.job(job).slurm_id) == (JobState.PENDING, 1001)
    world.gate.open_all()
    world.strands.resume_all()
    answered = world.now
    while world.job(job).slurm_id == 1001:
        world.tick()
    assert world.now - answered >= QUIET
    for _ in range(3):
        world.tick()
    assert world.job(job).slurm_id == 1002


def test_a_lost_answer_begins_a_quiet_period_when_it_comes(world: World) -> None:
    world.cluster.script(Reply.LOSE_NOT_QUEUED)
    job = hanging(world)
    for _ in range(40):
        world.tick(20)
    world.gate.open_all()
    world.strands.resume_all()
    lost = world.now
    while world.job(job).slurm_id is None:
        world.tick()
    assert world.now - lost >= QUIET
    assert world.cluster.found(job.uuid) == [1001]


def test_a_former_leaders_bad_news_does_not_speak_of_its_successors_try(world: World) -> None:
    world.cluster.script(Reply.NOT_TRIED)
    job = hanging(world, "answer")
    [former] = world.strands.standing
    world.take_over()
    world.gate.open("answer", ALICE)
    world.gate.shut("submit", ALICE)
    while len(world.strands.standing) == 1:
        world.tick()
    second = world.job(job)
    assert in_doubt(second)
    assert second.attempts == 2
    world.strands.resume(former)
    assert world.job(job) == second
    world.strands.resume_all()
    assert world.job(job).state is JobState.PENDING


def test_agents_that_begin_to_hang_together_cost_a_turn_per_few_of_them(world: World) -> None:
    uids = range(3001, 3001 + 5 * QUICK)
    for uid in uids:
        world.accept(owner=f"user{uid}", uid=uid)
        world.gate.shut("submit", uid)
    other = world.accept(owner="bob", uid=BOB)
    report, turns = world.tick(), 1
    while report.more:
        report, turns = world.broker.tick(), turns + 1
    assert turns <= len(uids) / QUICK + 1
    assert len(world.strands.standing) == len(uids)
    assert world.job(other).state is JobState.PENDING


def test_agents_known_to_hang_delay_one_another_alone(world: World) -> None:
    uids = range(3001, 3001 + 5 * SLOW)
    for uid in uids:
        world.gate.shut("submit", uid)
        world.accept(owner=f"user{uid}", uid=uid)
    while world.tick().more:
        pass
    world.clock.advance(2)
    world.strands.resume_all()
    waited = world.strands.waited
    for uid in uids:
        world.accept(owner=f"user{uid}", uid=uid)
    other = world.accept(owner="bob", uid=BOB)
    report = world.tick()
    assert world.job(other).state is JobState.PENDING
    assert len(world.strands.standing) == SLOW
    assert not report.more, "there is nothing to do before one of them answers"
    assert world.strands.waited == waited, "no turn waits for them"


def test_who_answers_in_time_again_is_waited_for_again(world: World) -> None:
    hanging(world)
    world.gate.open_all()
    world.strands.resume_all()
    world.accept()
    world.tick()
    waited = world.strands.waited
    hanging(world)
    assert world.strands.waited > waited


def test_one_busy_persons_thousand_jobs_do_not_make_the_loop_spin(world: World) -> None:
    for _ in range(2 * PER_TURN):
        world.accept()
    world.gate.shut("submit", ALICE)
    assert not world.tick().more
    assert not world.tick().more
    world.gate.open_all()
    world.strands.resume_all()
    assert world.wakes == 1
    report = world.broker.tick()
    assert report.submitted == PER_TURN


def test_an_agent_that_is_away_does_not_make_the_loop_spin(world: World) -> None:
    for _ in range(2 * PER_TURN):
        world.accept()
    world.cluster.script(*[Reply.NOT_TRIED] * 2 * PER_TURN)
    assert not world.tick().more


def test_end_records_that_come_after_their_turn_are_used_by_the_next(world: World) -> None:
    job = world.accept()
    world.tick()
    world.run(1001)
    world.end(1001, code=3)
    world.gate.shut("end records", ALICE)
    for _ in range(3):
        world.tick()
    assert world.job(job).state is JobState.PENDING
    assert len(world.strands.standing) == 1
    world.strands.resume_all()
    world.tick()
    assert world.job(job).state is JobState.FAILED


def test_a_record_missing_when_the_agent_looked_is_not_missing_for_ever(world: World) -> None:
    """The agent looks before the record is there, and answers after the grace is over."""
    job = world.accept()
    world.tick()
    world.run(1001)
    world.cluster.advance(1001, JobState.SUCCEEDED, exit_code=0)
    world.tick()
    assert world.job(job).state is JobState.COMPLETING
    world.gate.shut("end records", ALICE)
    world.tick()
    world.end(1001)
    for _ in range(10):
        world.tick(20)
    world.gate.open_all()
    world.strands.resume_all()
    world.tick()
    assert world.job(job).state is JobState.COMPLETING
    world.tick()
    assert world.job(job).state is JobState.SUCCEEDED


def test_an_old_look_for_traces_of_a_job_counts_for_the_absence_it_was_made_in(world: World) -> None:
    """The job comes back, and goes again, while the agent hangs."""
    job = world.accept()
    world.tick()
    world.run(1001)
    world.tick()
    world.cluster.purge(1001)
    world.cluster.accounting_lag = timedelta(days=1)
    world.gate.shut("end records", ALICE)
    while not world.strands.standing:
        world.tick(20)
    world.cluster.live_down = True
    world.tick(20)
    world.cluster.live_down = False
    for _ in range(40):
        world.tick(20)
    world.folders.records[world.cluster.submissions[1001].folder] = []
    world.end(1001, code=5)
    world.cluster.forget(1001)
    world.gate.open_all()
    world.strands.resume_all()
    world.tick(20)
    assert not world.job(job).state.final
    for _ in range(3):
        world.tick(20)
    assert world.job(job).state is JobState.FAILED


def test_its_end_leaves_what_hangs_in_doubt_as_a_kill_would(world: World) -> None:
    job = hanging(world)
    world.broker.close()
    assert in_doubt(world.job(job))
    world.gate.open_all()
    world.restart()
    restarted = world.now
    while world.job(job).slurm_id is None:
        world.tick()
    assert world.now - restarted >= QUIET
    assert world.cluster.found(job.uuid) == [1001]


def test_its_end_ends_an_errand_between_two_batches(world: World) -> None:
    jobs = [world.accept() for _ in range(PER_TURN)]
    world.gate.shut("answer", ALICE)
    world.tick()
    world.gate.open_all()
    world.broker.close()
    world.strands.resume_all()
    assert {JobState.PENDING, JobState.ACCEPTED} == set(states(world, jobs))


def test_a_mark_outlasts_the_longest_call(tmp_path: Path) -> None:
    """All a new broker knows of a call is when it began."""
    world = World(tmp_path, rest=3 * QUIET)
    job = hanging(world)
    begun = world.now
    world.gate.open_all()
    world.restart()
    while world.job(job).slurm_id is None:
        world.tick()
    assert world.now - begun >= 3 * QUIET
    world.close()


def test_many_people_are_served_side_by_side_in_real_threads(world: World) -> None:
    world.use_threads()
    jobs = [world.accept(owner=f"user{uid}", uid=uid) for uid in range(3001, 3011) for _ in range(5)]
    assert not world.tick().more
    assert set(states(world, jobs)) == {JobState.PENDING}
    for job in jobs:
        slurm_id = world.job(job).slurm_id
        assert slurm_id is not None
        world.run(slurm_id)
        world.end(slurm_id)
    world.tick()
    while set(states(world, jobs)) != {JobState.SUCCEEDED}:
        assert world.woken.acquire(timeout=60), "a look that comes back after its turn wakes the loop"
        world.tick()


def test_real_agents_that_hang_leave_the_turn_to_the_others(world: World) -> None:
    world.use_threads()
    freed, submit = threading.Event(), world.cluster.submit
    done = threading.Semaphore(0)

    def hang_for_alice(owner: Owner, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        if owner.uid == ALICE:
            freed.wait(60)
        outcomes = submit(owner, jobs)
        done.release()
        return outcomes

    world.cluster.submit = hang_for_alice  # type: ignore[method-assign]
    hers, his = world.accept(), world.accept(owner="bob", uid=BOB)
    turn = threading.Thread(target=world.tick)
    turn.start()
    assert done.acquire(timeout=60), "bob's job goes while alice's agent hangs"
    assert world.cluster.found(his.uuid)
    assert not world.cluster.found(hers.uuid)
    freed.set()
    turn.join(60)
    assert states(world, [hers, his]) == [JobState.PENDING] * 2


def test_two_lanes_that_come_for_the_last_batch_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One gets it, and the other ends well: an errand that breaks would make its owner wait."""
    world.use_threads()
    both, coming = threading.Barrier(2), iter(range(2))
    turnouts: list[Turnout] = []
    in_time, run = Errands.in_time, Errands.run

    def together(errands: Errands, kind: str, one: Whose) -> bool:
        if next(coming, None) is not None:
            both.wait(60)
        return in_time(errands, kind, one)

    def noted(errands: Errands, kind: str, work: Mapping[Whose, Errand]) -> Turnout:
        turnouts.append(run(errands, kind, work))
        return turnouts[-1]

    monkeypatch.setattr(Errands, "in_time", together)
    monkeypatch.setattr(Errands, "run", noted)
    jobs = [world.accept() for _ in range(3 * BATCH)]
    world.tick()
    assert set(states(world, jobs)) == {JobState.PENDING}
    assert turnouts[0].answered == turnouts[0].started != frozenset()
