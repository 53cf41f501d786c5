"""Tasks of an array: their states only move forward, and what nobody tells changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.arrays import MAX_TASKS, compressed, indices, task_count
from sciserver_hpc.domain.lifecycle import completed, with_tasks
from sciserver_hpc.domain.scheduling import Sighting
from sciserver_hpc.domain.states import JobState, may_follow
from sciserver_hpc.domain.tasks import Task, counted, joined, news, of_untold, shown, together
from tests.fakes.jobs import NOON, make_job, make_spec

STATES = st.sampled_from([state for state in JobState if state.rank >= 2])
TASKS = st.builds(
    Task,
    index=st.integers(0, 9),
    state=STATES,
    restarts=st.integers(0, 2),
    node=st.sampled_from(["", "n1"]),
    exit_code=st.sampled_from([None, 0, 3]),
    elapsed_s=st.sampled_from([None, 5]),
)
JOB = make_job(spec=make_spec(array="0-9"), state=JobState.RUNNING, slurm_id=7)


def sighting(state: JobState, *known: Task, **more: object) -> Sighting:
    return Sighting(slurm_id=7, uuid=JOB.uuid, uid=JOB.uid, state=state, known=known, **more)


@given(st.dictionaries(st.integers(0, 9), TASKS), st.lists(TASKS))
def test_a_task_moves_forward_or_learns_and_never_goes_back(known: dict[int, Task], seen: list[Task]) -> None:
    known = {index: task.model_copy(update={"index": index}) for index, task in known.items()}
    for task in news(known, seen):
        old = known.get(task.index)
        if old is None or may_follow(old.state, old.restarts, task.state, task.restarts):
            continue
        assert (task.state, task.restarts) == (old.state, old.restarts)
        assert old.node in ("", task.node)
        assert old.exit_code in (None, task.exit_code)


@given(st.dictionaries(st.integers(0, 9), TASKS), st.lists(TASKS, unique_by=lambda task: task.index))
def test_the_same_look_twice_is_news_once(known: dict[int, Task], seen: list[Task]) -> None:
    known = {index: task.model_copy(update={"index": index}) for index, task in known.items()}
    known |= {task.index: task for task in news(known, seen)}
    again = news(known, seen)
    assert all(known[task.index].state is JobState.LOST for task in again)


def test_a_task_that_waits_needs_no_row_but_one_that_waits_again_does() -> None:
    assert news({}, [Task(index=1, state=JobState.PENDING)]) == []
    ran = Task(index=1, state=JobState.RUNNING, node="n1")
    requeued = Task(index=1, state=JobState.PENDING, restarts=1)
    assert news({1: ran}, [requeued]) == [requeued]


def test_the_exit_code_of_the_controller_stays() -> None:
    """Accounting shows 255 as 127 up to Slurm 25.05."""
    ended = Task(index=1, state=JobState.FAILED, node="n1", exit_code=255)
    accounted = ended.model_copy(update={"exit_code": 127, "elapsed_s": 4})
    assert news({1: ended}, [accounted]) == [ended.model_copy(update={"elapsed_s": 4})]
    assert joined([ended], [accounted])[0].exit_code == 255


@given(st.sets(st.integers(0, 400), min_size=1))
def test_indices_come_back_from_their_shortest_form(numbers: set[int]) -> None:
    text = compressed(sorted(numbers))
    assert indices(text) == sorted(numbers)
    assert task_count(text) == len(numbers)
    assert len(text) <= len(",".join(map(str, sorted(numbers))))


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([5], "5"),
        ([3, 4], "3-4"),
        ([1, 9], "1,9"),
        ([0, 2, 4, 6], "0-6:2"),
        ([0, 3, 4, 5, 9], "0,3-5,9"),
        (range(MAX_TASKS), "0-9999"),
    ],
)
def test_forms(numbers: list[int], text: str) -> None:
    assert compressed(numbers) == text


@given(st.dictionaries(st.integers(0, 9), STATES), STATES)
def test_every_task_is_counted_once(known: dict[int, JobState], of_array: JobState) -> None:
    counts = counted("0-9", of_array, list(known.values()))
    assert sum(counts.values()) == 10
    assert not of_array.final or all(JobState(name).final for name in counts)


def test_what_nobody_tells_of() -> None:
    assert of_untold(JobState.RUNNING) is JobState.PENDING
    assert of_untold(JobState.ACCEPTED) is JobState.ACCEPTED
    assert of_untold(JobState.SUCCEEDED) is JobState.SUCCEEDED
    assert of_untold(JobState.FAILED) is JobState.LOST
    assert shown(JobState.RUNNING, JobState.FAILED) is JobState.LOST
    assert shown(JobState.RUNNING, JobState.RUNNING) is JobState.RUNNING


def test_a_failure_that_slurm_forgot_still_counts() -> None:
    known = {0: Task(index=0, state=JobState.TIMEOUT, node="n1", elapsed_s=60)}
    seen = [Task(index=i, state=JobState.SUCCEEDED, node="n1", elapsed_s=i, cpu_s=1) for i in range(1, 10)]
    whole, changed = with_tasks(JOB, sighting(JobState.SUCCEEDED, *seen), known)
    assert whole.state is JobState.TIMEOUT
    assert whole.tasks == {"SUCCEEDED": 9, "TIMEOUT": 1}
    assert whole.usage and (whole.usage.elapsed_s, whole.usage.cpu_s) == (60, 9)
    assert [task.index for task in changed] == list(range(1, 10))


def test_what_is_used_is_told_once_all_of_it_is_known() -> None:
    ended = Task(index=0, state=JobState.SUCCEEDED, node="n1", ended_at=NOON + timedelta(1), elapsed_s=1)
    whole, _ = with_tasks(JOB, sighting(JobState.SUCCEEDED, ended), {})
    assert whole.usage is None
    assert whole.tasks == {"SUCCEEDED": 10}
    rest = [Task(index=i, state=JobState.CANCELLED) for i in range(1, 10)]
    copy = completed(whole, sighting(JobState.CANCELLED, *rest))
    assert with_tasks(JOB, copy, {})[0].usage is not None


def test_a_live_array_counts_what_waits() -> None:
    whole, _ = with_tasks(
        JOB,
        sighting(JobState.PENDING, tasks={"PENDING": 9}),
        {4: Task(index=4, state=JobState.FAILED, node="n1")},
    )
    assert (whole.state, whole.tasks) == (JobState.RUNNING, {"PENDING": 9, "FAILED": 1})


def test_an_arrays_own_state_is_that_of_its_worst_task() -> None:
    assert together({JobState.LOST: 1, JobState.SUCCEEDED: 2}) is JobState.LOST
    assert together({JobState.REJECTED: 1}) is None
