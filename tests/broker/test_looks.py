"""Slurm itself hangs: submissions and cancels go on, and an old answer is not taken for news."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from sciserver_hpc.broker.question import OVERDUE_S
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.scheduling import Observation
from sciserver_hpc.domain.states import JobState
from tests.broker.world import INTERVAL, QUIET, SLURM, World
from tests.fakes.scheduler import Reply

QUIET_S = QUIET.total_seconds()
HALF_S = INTERVAL.total_seconds() / 2
PLACES = ["look", "seen", "found", "ended"]


def shut(world: World, place: str) -> None:
    world.gate.shut(place, SLURM.uid)


def hang(world: World, place: str) -> None:
    """The next look hangs; it asks accounting too."""
    shut(world, place)
    world.tick(20)
    assert [strand.at for strand in world.strands.standing] == [place]


def answer(world: World) -> None:
    """What hangs is answered and taken; the look after it hangs before it sees anything."""
    world.gate.open_all()
    shut(world, "look")
    world.strands.resume_all()
    world.tick(0.0)


def free(world: World) -> None:
    """What hangs is answered and taken, and nothing hangs any more."""
    world.gate.open_all()
    world.strands.resume_all()
    world.tick(0.0)


def turn_until(world: World, done: Callable[[], bool]) -> None:
    """Turns, none of which waits."""
    for _ in range(200):
        if done():
            return
        world.tick()
    raise AssertionError("never")


def submitted(world: World) -> Job:
    job = world.accept()
    world.tick()
    assert world.job(job).state is JobState.PENDING
    return job


# nobody waits -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("place", PLACES)
def test_submissions_and_cancels_go_on(world: World, place: str) -> None:
    missing, unwanted = submitted(world), submitted(world)
    world.cluster.forget(1001)
    shut(world, place)
    for _ in range(20):
        world.tick(HALF_S)
    assert place in {strand.at for strand in world.strands.standing}
    world.ask_cancel(unwanted)
    job = world.accept()
    world.tick(0.1)
    assert world.job(job).state is JobState.PENDING
    assert world.cluster.state(1002) is JobState.CANCELLED
    assert world.strands.waited == 0.0
    assert not world.job(missing).state.final


def test_a_turn_does_not_wait_for_a_look_in_real_threads(world: World) -> None:
    world.use_threads()
    freed, observe = threading.Event(), world.cluster.observe

    def hang_until_freed(since: datetime | None) -> Observation:
        assert freed.wait(60)
        return observe(since)

    world.cluster.observe = hang_until_freed  # type: ignore[method-assign]
    job = submitted(world)
    world.cluster.advance(1001, JobState.RUNNING, node="n1")
    freed.set()
    while world.job(job).state is not JobState.RUNNING:
        assert world.woken.acquire(timeout=60)
        world.tick(0.0)


def test_a_late_answer_wakes_the_loop_and_is_recorded_in_the_next_turn(world: World) -> None:
    job = submitted(world)
    world.cluster.advance(1001, JobState.RUNNING, node="n1")
    hang(world, "seen")
    assert world.wakes == 0
    world.strands.resume_all()
    assert world.wakes == 1
    assert world.job(job).state is JobState.PENDING, "only a turn writes"
    report = world.tick(0.0)
    assert (world.job(job).state, report.observed) == (JobState.RUNNING, False)


def test_the_look_that_begins_in_that_turn_speaks_of_rows_as_the_late_one_left_them(world: World) -> None:
    job = submitted(world)
    world.run(1001)
    hang(world, "seen")
    world.end(1001)
    world.gate.open_all()
    world.strands.resume_all()
    world.tick()
    assert world.job(job).state is JobState.SUCCEEDED


# the pace -----------------------------------------------------------------------------------------------
def test_one_look_at_a_time(world: World) -> None:
    submitted(world)
    hang(world, "seen")
    world.cluster.calls.clear()
    for _ in range(20):
        world.tick(HALF_S)
    assert (world.cluster.calls["observe"], world.cluster.calls["ended"]) == (0, 0)
    free(world)
    world.tick()
    assert world.cluster.calls["observe"] == 1


def test_the_loop_does_not_spin_while_a_look_is_out(world: World) -> None:
    submitted(world)
    hang(world, "seen")
    for _ in range(20):
        report = world.tick(HALF_S)
        assert report.pause_s > 0
        assert not report.more


def test_looks_that_take_their_time_are_no_more_frequent(world: World) -> None:
    submitted(world)
    shut(world, "seen")
    world.cluster.calls.clear()
    for _ in range(60):  # s
        world.tick(1)
        if world.strands.standing and world.now.second % 3 == 0:
            world.strands.resume_all()
    assert 10 <= world.cluster.calls["observe"] <= 60 / INTERVAL.total_seconds()


def test_accounting_that_hangs_leaves_time_for_looks_at_the_queue_alone(world: World) -> None:
    whole, observe = [], world.cluster.observe

    def noting(since: datetime | None) -> Observation:
        whole.append(since is not None)
        return observe(since)

    submitted(world)
    world.cluster.observe = noting  # type: ignore[method-assign]
    hang(world, "seen")
    world.clock.advance(20)
    free(world)
    for _ in range(8):  # 16 s
        world.tick()
    assert whole == [True, *[False] * 8, True]


def test_accounting_that_hangs_between_looks_holds_up_no_look_and_is_asked_once(world: World) -> None:
    submitted(world)
    shut(world, "ended")
    world.cluster.calls.clear()
    for _ in range(40):
        world.tick(HALF_S)
    assert (world.cluster.calls["ended"], world.cluster.calls["observe"]) == (1, 20)


def test_news_that_comes_late_brings_the_next_look_forward(world: World) -> None:
    job = submitted(world)
    world.tick()
    world.cluster.advance(1001, JobState.CANCELLED, cancelled_by=0)
    shut(world, "ended")
    world.tick(HALF_S)
    assert world.job(job).state is JobState.PENDING
    free(world)
    assert world.job(job).state is JobState.CANCELLED


def test_news_that_comes_while_a_look_is_out_spends_no_early_look(world: World) -> None:
    submitted(world)
    world.cluster.advance(1001, JobState.CANCELLED, cancelled_by=0)
    shut(world, "ended")
    world.tick(HALF_S)
    shut(world, "seen")
    world.tick(HALF_S)
    listening, looking = world.strands.standing
    assert (listening.at, looking.at) == ("ended", "seen")
    world.strands.resume(listening)
    assert not world.tick(0.0).observed


# an old answer is no news ----------------------------------------------------------------------------------
def test_a_look_says_nothing_of_a_row_that_changed_since_it_began(world: World) -> None:
    job = submitted(world)
    world.cluster.advance(1001, JobState.PENDING, reason="Resources")
    hang(world, "seen")
    world.run(1001)
    claimed = world.job(job)
    assert claimed.claimed_by == 1001
    answer(world)
    assert world.job(job) == claimed
    free(world)
    world.tick()
    assert (world.job(job).state, world.job(job).node) == (JobState.RUNNING, "n1")


@pytest.mark.parametrize("place", ["look", "seen", "found"])
def test_a_look_says_nothing_of_a_job_handed_over_since_it_began(world: World, place: str) -> None:
    missing = submitted(world)
    world.cluster.forget(1001)
    hang(world, place)
    world.cluster.script(Reply.LOSE_QUEUED)
    jobs = [world.accept(), world.accept(owner="bob", uid=2002)]
    world.tick()
    rows = [world.job(job) for job in jobs]
    assert {row.state for row in rows} == {JobState.SUBMITTING, JobState.PENDING}
    world.clock.advance(2 * QUIET_S)
    answer(world)
    assert [world.job(job) for job in jobs] == rows
    free(world)
    for _ in range(3):
        world.tick()
    assert {world.job(job).slurm_id for job in jobs} == {1002, 1003}
    assert not world.job(missing).state.final


def test_a_copy_that_was_queued_while_nobody_answered_is_not_taken_for_absent(world: World) -> None:
    """The doubt is looked up early for the sake of a cancel, and the controller stalls."""
    submitted(world)
    job = world.accept()
    world.cluster.script(Reply.LOSE_QUEUED)
    world.tick(0.1)
    queued = world.cluster.submissions[1002]
    world.cluster.forget(1002)
    world.ask_cancel(job)
    hang(world, "found")
    late = world.cluster.queue(queued, world.owner_of(job))
    world.clock.advance(2 * QUIET_S)
    answer(world)
    assert world.job(job).state is JobState.SUBMITTING
    free(world)
    for _ in range(3):
        world.tick()
    assert world.job(job).state is JobState.CANCELLED
    assert world.cluster.state(late) is JobState.CANCELLED


def test_a_controller_that_let_a_look_wait_counts_as_answering_from_its_answer_on(world: World) -> None:
    job = world.accept()
    world.cluster.script(Reply.LOSE_NOT_QUEUED)
    world.tick(0.1)
    world.cluster.live_down = True
    world.tick(2 * QUIET_S)
    world.cluster.live_down = False
    hang(world, "look")
    world.clock.advance(QUIET_S)
    free(world)
    back = world.now
    turn_until(world, lambda: world.job(job).slurm_id is not None)
    assert world.now - back >= QUIET


def test_a_job_is_missing_from_the_first_answer_on(world: World) -> None:
    job = submitted(world)
    world.tick(2 * QUIET_S)
    world.cluster.purge(1001)
    hang(world, "look")
    world.clock.advance(QUIET_S)
    free(world)
    back = world.now
    turn_until(world, lambda: world.job(job).slurm_id != 1001)
    assert world.now - back >= QUIET


@pytest.mark.parametrize("place", ["seen", "found"])
def test_a_job_is_missing_up_to_the_last_question(world: World, place: str) -> None:
    job = submitted(world)
    world.tick(2 * QUIET_S)
    world.cluster.purge(1001)
    world.tick(20)
    hang(world, place)
    world.clock.advance(2 * QUIET_S)
    answer(world)
    assert world.job(job).slurm_id == 1001


def test_time_in_which_accounting_is_away_does_not_count_as_missing(world: World) -> None:
    job = submitted(world)
    world.tick(2 * QUIET_S)
    world.cluster.purge(1001)
    world.tick(20)
    world.cluster.accounting_down = True
    world.tick(2 * QUIET_S)
    world.cluster.accounting_down = False
    back = world.now
    turn_until(world, lambda: world.job(job).slurm_id != 1001)
    assert world.now - back >= QUIET


def test_one_that_leads_anew_does_not_read_what_it_asked_before(world: World) -> None:
    job = submitted(world)
    world.cluster.advance(1001, JobState.RUNNING, node="n1")
    hang(world, "seen")
    row = world.job(job)
    world.broker.begin()
    answer(world)
    assert world.job(job) == row
    free(world)
    world.tick()
    assert world.job(job).state is JobState.RUNNING


def test_one_that_leads_anew_begins_the_quiet_period_anew(world: World) -> None:
    """Nobody knows whether the controller answered while another led."""
    job = world.accept()
    world.cluster.script(Reply.LOSE_NOT_QUEUED)
    world.tick(0.1)
    world.tick(QUIET_S - 1)
    world.broker.begin()
    anew = world.now
    turn_until(world, lambda: world.job(job).slurm_id is not None)
    assert world.now - anew >= QUIET


@pytest.mark.parametrize("place", ["look", "seen", "found"])
def test_a_look_that_is_never_answered_is_told_as_an_outage_and_another_begins(
    world: World, place: str
) -> None:
    job = submitted(world)
    world.cluster.purge(1001)
    hang(world, place)
    world.gate.open_all()
    world.tick(OVERDUE_S)
    note = world.store.notes()["cluster:default"]
    assert (note["ok"], note["at"]) == (True, world.now.isoformat()), "the next look is due at once"
    assert world.job(job).slurm_id == 1001
    given_up = world.now
    turn_until(world, lambda: world.job(job).slurm_id != 1001)
    assert world.now - given_up >= QUIET


@pytest.mark.parametrize("place", ["look", "seen", "found"])
def test_a_look_that_is_never_answered_begins_the_quiet_period_anew(world: World, place: str) -> None:
    job = world.accept()
    world.cluster.script(Reply.LOSE_NOT_QUEUED)
    world.tick(0.1)
    world.tick(QUIET_S - 1)
    hang(world, place)
    world.gate.open_all()
    world.tick(OVERDUE_S)
    given_up = world.now
    turn_until(world, lambda: world.job(job).slurm_id is not None)
    assert world.now - given_up >= QUIET


def test_while_no_look_is_answered_the_cluster_is_told_as_away(world: World) -> None:
    submitted(world)
    hang(world, "look")
    for _ in range(3):
        world.tick(OVERDUE_S)
        told = world.store.notes()
        assert (told["cluster:default"]["ok"], told["accounting:default"]["ok"]) == (False, False)
        assert world.now - datetime.fromisoformat(told["cluster:default"]["at"]) < timedelta(minutes=5)
    assert world.cluster.calls["observe"] == 1
