"""Tasks of arrays: every look writes what is new of each, and the end leaves all of them true."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.scheduling import EndRecord
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tasks import Task
from tests.broker.world import World
from tests.fakes.jobs import make_spec

RUNNING, DONE, FAILED = JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED


def task(index: int, state: JobState, **fields: Any) -> Task:
    return Task(index=index, state=state, node="n1", **fields)


def running(world: World, array: str = "0-3") -> Job:
    """An array in Slurm."""
    job = world.accept(spec=make_spec(array=array))
    world.tick()
    return world.job(job)


def states(world: World, job: Job) -> dict[int, JobState]:
    found: dict[int, JobState] = world.store.task_states(job.id)
    return found


def end(world: World, job: Job, state: JobState, *tasks: Task, codes: tuple[int, ...] = (0,) * 4) -> None:
    """Slurm shows the array over with these tasks; their wrappers left records."""
    records = [EndRecord(exit_code=code, slurm_id=1001) for code in codes]
    world.folders.records[job.spec.folder] = records
    world.cluster.advance(1001, state, known=tasks, tasks={state.value: len(tasks)})


def test_what_a_look_shows_is_written_and_the_same_look_again_writes_nothing(world: World) -> None:
    job = running(world)
    seen = (task(0, RUNNING), task(1, DONE, elapsed_s=1))
    world.cluster.advance(1001, RUNNING, known=seen, tasks={"RUNNING": 1, "SUCCEEDED": 1, "PENDING": 2})
    world.tick()
    assert states(world, job) == {0: RUNNING, 1: DONE}
    assert world.job(job).tasks == {"PENDING": 2, "RUNNING": 1, "SUCCEEDED": 1}
    version = world.job(job).version
    world.tick()
    assert world.job(job).version == version
    world.cluster.advance(1001, RUNNING, known=(task(0, FAILED, exit_code=3),), tasks={"PENDING": 2})
    world.tick()
    assert states(world, job) == {0: FAILED, 1: DONE}
    assert world.job(job).tasks == {"PENDING": 2, "SUCCEEDED": 1, "FAILED": 1}


def test_a_broker_that_comes_anew_knows_what_stands(world: World) -> None:
    job = running(world)
    world.cluster.advance(1001, RUNNING, known=(task(0, FAILED, exit_code=3, elapsed_s=2),))
    world.tick()
    world.restart()
    rest = [task(index, DONE, elapsed_s=1) for index in (1, 2, 3)]
    end(world, job, DONE, *rest, codes=(3, 0, 0, 0))
    world.tick()
    assert states(world, job) == {0: FAILED, 1: DONE, 2: DONE, 3: DONE}
    over = world.job(job)
    assert over.state is FAILED
    assert over.tasks == {"SUCCEEDED": 3, "FAILED": 1}
    assert over.usage and over.usage.elapsed_s == 2


def test_a_cancel_meanwhile_keeps_the_tasks_for_the_next_look(world: World) -> None:
    job = running(world)
    world.cluster.advance(1001, RUNNING, known=(task(0, RUNNING),))
    change = world.store.change_jobs

    def after_a_cancel(changes: Any) -> Any:
        world.store.change_jobs = change
        world.ask_cancel(job)
        return change(changes)

    world.store.change_jobs = after_a_cancel
    world.tick()
    assert states(world, job) == {}
    world.tick()
    assert states(world, job)[0].rank >= RUNNING.rank


def test_accounting_alone_is_asked_for_what_slurm_forgot(world: World) -> None:
    job = running(world)
    all_of_them = [task(index, DONE, elapsed_s=1) for index in range(4)]
    tasks = world.cluster.tasks
    end(world, job, DONE, all_of_them[3])

    def whole(jobs: Any) -> Any:
        found = tasks(jobs) or {}
        return {uuid: one.model_copy(update={"known": tuple(all_of_them)}) for uuid, one in found.items()}

    world.cluster.tasks = whole  # type: ignore[method-assign]
    before = world.cluster.calls["look_up"]
    world.tick()
    assert states(world, job) == dict.fromkeys(range(4), DONE)
    assert world.job(job).state is DONE
    assert world.job(job).usage is not None
    assert world.cluster.calls["look_up"] == before
    asked = world.cluster.calls["tasks"]
    for _ in range(20):
        world.tick()
    assert world.cluster.calls["tasks"] == asked == 1


def test_what_tasks_used_comes_after_the_end(world: World) -> None:
    job = running(world)
    end(world, job, DONE, *[task(index, DONE) for index in range(4)])
    world.tick()
    assert world.job(job).state is DONE
    assert world.job(job).usage is None
    world.cluster.advance(1001, DONE, known=tuple(task(index, DONE, elapsed_s=index) for index in range(4)))
    world.tick()
    used = world.job(job).usage
    assert used and used.elapsed_s == 3
    assert [one.elapsed_s for one in world.store.tasks(job.id)] == [0, 1, 2, 3]


def test_accounting_away_ends_the_array_all_the_same(world: World) -> None:
    job = running(world)
    world.cluster.accounting_down = True
    end(world, job, FAILED, task(3, FAILED, exit_code=1), codes=(0, 0, 0, 1))
    world.tick()
    assert world.job(job).state is FAILED
    assert world.job(job).tasks == {"FAILED": 1, "LOST": 3}


def test_an_outage_that_hides_a_task_changes_nothing_of_it(world: World) -> None:
    job = running(world)
    world.cluster.advance(1001, RUNNING, known=(task(0, RUNNING),))
    world.tick()
    world.cluster.live_down = True
    world.tick()
    world.cluster.live_down = False
    world.cluster.advance(1001, RUNNING, known=())
    world.tick(timedelta(minutes=1).total_seconds())
    assert states(world, job) == {0: RUNNING}


def test_a_lost_array_is_not_asked_for_all_day(world: World) -> None:
    job = running(world)
    world.run(1001)
    world.tick()
    world.cluster.forget(1001)
    for _ in range(60):
        world.tick(30)
    assert world.job(job).state is JobState.LOST
    asked = world.cluster.calls["tasks"]
    for _ in range(10):
        world.tick(30)
    assert world.cluster.calls["tasks"] == asked
