"""Tasks of arrays on both engines."""

from __future__ import annotations

from datetime import timedelta

from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tasks import Task
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import NOON, add_job, make_job, next_job_id


def array(store: SqlStore) -> Job:
    return add_job(store, make_job(next_job_id(store)), "d" * 64, "{}")


WHOLE = Task(
    index=4,
    state=JobState.FAILED,
    restarts=2,
    node="n1",
    started_at=NOON,
    ended_at=NOON + timedelta(seconds=9),
    exit_code=3,
    signal=9,
    elapsed_s=9,
    cpu_s=1.5,
    max_rss=2**40,
)


def test_a_task_comes_back_as_it_was(store: SqlStore) -> None:
    job = array(store)
    store.keep_tasks([(job.id, [WHOLE])])
    assert store.tasks(job.id) == [WHOLE]
    assert store.task_states(job.id) == {4: JobState.FAILED}
    assert store.tasks(job.id + 1) == []


def test_what_is_written_again_is_written_over(store: SqlStore) -> None:
    job, other = array(store), array(store)
    store.keep_tasks([(job.id, [Task(index=4, state=JobState.RUNNING)]), (other.id, [WHOLE])])
    store.keep_tasks([(job.id, [WHOLE, Task(index=2, state=JobState.RUNNING)])])
    assert [task.index for task in store.tasks(job.id)] == [2, 4]
    assert store.tasks(job.id, 3, 9) == [WHOLE]
    assert store.tasks(other.id) == [WHOLE]


def test_ten_thousand_tasks(store: SqlStore) -> None:
    job = array(store)
    store.keep_tasks([(job.id, [WHOLE.model_copy(update={"index": index}) for index in range(10_000)])])
    assert len(store.task_states(job.id)) == 10_000
    assert [task.index for task in store.tasks(job.id, 9_998)] == [9_998, 9_999]


def test_nothing_to_write(store: SqlStore) -> None:
    store.keep_tasks([])
    store.keep_tasks([(1, [])])


def test_an_odd_node_is_written_all_the_same(store: SqlStore) -> None:
    job = array(store)
    store.keep_tasks([(job.id, [Task(index=0, state=JobState.RUNNING, node="n\0")])])
    assert store.tasks(job.id)[0].node == "n\ufffd"
