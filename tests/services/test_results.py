"""Reading what a job left."""

from __future__ import annotations

import pytest

from sciserver_hpc.domain.errors import AgentError, NotFound, Unavailable
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.states import JobState
from tests.fakes.jobs import change_job

from .world import ALICE, BOB, World, shell

LOG = b"line one\nline two\n"


def started(world: World, **fields: object) -> Job:
    """A job with a log and a file in its folder."""
    job, _ = world.jobs.submit(ALICE, shell(**fields))
    change = {"submitted_at": world.clock.now(), "state": JobState.RUNNING}
    running = change_job(world.store, job, job.model_copy(update=change), ())
    assert running is not None
    world.agents.put(f"{job.spec.path}/stdout.txt", LOG, ALICE.uid)
    world.agents.put(f"{job.spec.path}/figures/cycle.png", b"PNG", ALICE.uid)
    return running


def ended(world: World, job: Job) -> None:
    assert change_job(world.store, job, job.model_copy(update={"state": JobState.FAILED}), ())


def test_a_log_is_read_piece_by_piece(world: World) -> None:
    job = started(world)
    first = world.results.log(ALICE, job.id, "stdout", 0, 9)
    rest = world.results.log(ALICE, job.id, "stdout", first.next, 100)
    assert (first.data, first.next, first.size) == (b"line one\n", 9, len(LOG))
    assert (rest.data, rest.offset, rest.next) == (b"line two\n", 9, len(LOG))
    assert world.results.log(ALICE, job.id, "stdout", rest.next, 100).data == b""


@pytest.mark.parametrize(("offset", "begin"), [(-9, 9), (-1000, 0), (1000, len(LOG)), (0, 0)])
def test_a_log_may_be_read_from_its_end(world: World, offset: int, begin: int) -> None:
    chunk = world.results.log(ALICE, started(world).id, "stdout", offset, 1000)
    assert (chunk.offset, chunk.data) == (begin, LOG[begin:])


def test_a_log_not_written_yet_is_empty(world: World) -> None:
    job = started(world)
    chunk = world.results.log(ALICE, job.id, "stderr")
    assert (chunk.data, chunk.next, chunk.size) == (b"", 0, 0)


def test_a_log_an_ended_job_never_wrote_is_told(world: World) -> None:
    job = started(world)
    ended(world, job)
    with pytest.raises(NotFound, match=r"has no stderr\.txt"):
        world.results.log(ALICE, job.id, "stderr")


def test_an_arrays_log_is_one_tasks(world: World) -> None:
    job = started(world, array="3-9:2%2", stdout="out.log")
    world.agents.put(f"{job.spec.path}/out.3.log", b"three", ALICE.uid)
    world.agents.put(f"{job.spec.path}/out.5.log", b"five", ALICE.uid)
    assert world.results.log(ALICE, job.id, "stdout").data == b"three"
    assert world.results.log(ALICE, job.id, "stdout", task=5).data == b"five"


@pytest.mark.parametrize(("array", "task"), [("3-9:2", 4), ("3-9:2", 11), ("3-9:2", 0), (None, 3)])
def test_a_task_the_job_does_not_have_is_told(world: World, array: str | None, task: int) -> None:
    job = started(world, array=array)
    with pytest.raises(NotFound, match=f"has no task {task}: "):
        world.results.log(ALICE, job.id, "stdout", task=task)


@pytest.mark.parametrize("length", [-1, 0, 10**12])
def test_the_length_of_an_answer_is_capped(world: World, length: int) -> None:
    job = started(world)
    assert 1 <= len(world.results.log(ALICE, job.id, "stdout", 0, length).data) <= len(LOG)
    assert 1 <= len(world.results.read(ALICE, job.id, "stdout.txt", 0, length)[0]) <= len(LOG)


def test_files_are_listed_and_read(world: World) -> None:
    job = started(world)
    assert {entry.name for entry in world.results.listing(ALICE, job.id)} >= {"figures", "stdout.txt"}
    assert [entry.name for entry in world.results.listing(ALICE, job.id, "./figures//")] == ["cycle.png"]
    assert world.results.stat(ALICE, job.id, "figures/cycle.png").size == 3
    assert world.results.read(ALICE, job.id, "figures/cycle.png") == (b"PNG", 3)


@pytest.mark.parametrize(
    "path", ["..", "../x", "figures/../../x", "/etc/passwd", "a\0b", "x" * 5000, "figures/.."]
)
def test_no_path_leaves_the_job_folder(world: World, path: str) -> None:
    job = started(world)
    for question in (world.results.listing, world.results.stat, world.results.read):
        with pytest.raises(NotFound):
            question(ALICE, job.id, path)


@pytest.mark.parametrize("path", [".sciserver/claim.header", "./.sciserver//claim.header"])
def test_the_jobs_own_secret_is_no_result(world: World, path: str) -> None:
    """A token that may read files must not get to act as the job."""
    job = started(world)
    world.agents.put(f"{job.spec.path}/.sciserver/claim.header", b"secret", ALICE.uid)
    for question in (world.results.stat, world.results.read):
        with pytest.raises(NotFound):
            question(ALICE, job.id, path)


def test_another_person_reads_nothing(world: World) -> None:
    job = started(world)
    with pytest.raises(NotFound):
        world.results.log(BOB, job.id, "stdout")
    for question in (world.results.listing, world.results.stat, world.results.read):
        with pytest.raises(NotFound):
            question(BOB, job.id, "stdout.txt")


def test_a_folder_that_is_not_there_yet_is_told(world: World) -> None:
    job, _ = world.jobs.submit(ALICE, shell())
    with pytest.raises(NotFound, match="has not started yet"):
        world.results.listing(ALICE, job.id)


def test_a_folder_that_is_gone_is_told(world: World) -> None:
    job = started(world)
    ended(world, job)
    world.agents.files.clear()
    world.agents.directories.clear()
    with pytest.raises(NotFound, match="deleted or purged"):
        world.results.listing(ALICE, job.id)
    with pytest.raises(NotFound, match=r"no 'stdout\.txt'"):
        world.results.stat(ALICE, job.id, "stdout.txt")


def test_what_the_agent_refuses_stays_its_refusal(world: World) -> None:
    job = started(world)
    world.agents.deny(job.spec.path)
    with pytest.raises(AgentError) as caught:
        world.results.read(ALICE, job.id, "stdout.txt")
    assert caught.value.reason == "denied"
    with pytest.raises(AgentError):
        world.results.log(ALICE, job.id, "stdout")


def test_an_agent_that_is_away_is_a_passing_problem(world: World) -> None:
    job = started(world)
    world.agents.fail(ALICE.uid, Unavailable("agent", "not started"))
    with pytest.raises(Unavailable):
        world.results.listing(ALICE, job.id)
