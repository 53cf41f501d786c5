"""Arrays: how their tasks stand, and running again what failed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..domain.arrays import MAX_LENGTH, compressed, indices
from ..domain.errors import Conflict, Invalid
from ..domain.jobs import Job, JobRequest
from ..domain.lifecycle import USAGE_COMES_WITHIN
from ..domain.people import Person
from ..domain.states import JobState
from ..domain.tasks import FAILURES, Task, of_untold, shown
from ..ports import Clock, Store
from .accepting import Retry
from .jobs import Jobs

LONGEST_PAGE = 1000
"""Tasks in one answer."""


@dataclass(frozen=True)
class TaskPage:
    """Tasks of `job` by index; `next`: the index to go on after, None at the end; `counts`: all, by state."""

    job: Job
    tasks: tuple[Task, ...]
    next: int | None
    counts: Mapping[JobState, int]


class Arrays:
    """The tasks of arrays, those that wait included. Every job is loaded by `Jobs`."""

    def __init__(self, store: Store, clock: Clock, jobs: Jobs) -> None:
        self._store = store
        self._clock = clock
        self._jobs = jobs

    def states(self, job: Job) -> dict[int, JobState]:
        """How every task stands, by index; none of a job that is no array."""
        if job.spec.array is None:
            return {}
        told, untold = self._store.task_states(job.id), of_untold(job.state)
        return {
            index: shown(told[index], job.state) if index in told else untold
            for index in indices(job.spec.array)
        }

    def page(
        self,
        person: Person,
        job_id: int,
        states: Collection[JobState] = (),
        after: int | None = None,
        limit: int = 100,
    ) -> TaskPage:
        """At most `limit` tasks in one of `states` (none named: in any), after the index `after`.

        Raises NotFound, also for a job that is no array: Conflict.
        """
        job = self._array(self._jobs.get(person, job_id))
        standing = self.states(job)
        wanted = [
            index
            for index, state in standing.items()
            if (after is None or index > after) and (not states or state in states)
        ]
        chosen = wanted[: max(1, min(limit, LONGEST_PAGE))]
        told = {}
        if chosen:
            told = {task.index: task for task in self._store.tasks(job.id, chosen[0], chosen[-1])}
        tasks = tuple(_shown(index, standing[index], told.get(index)) for index in chosen)
        counts = dict.fromkeys(JobState, 0)
        for state in standing.values():
            counts[state] += 1
        more = len(wanted) > len(chosen)
        return TaskPage(job, tasks, chosen[-1] if more else None, {s: n for s, n in counts.items() if n})

    def retry(
        self, person: Person, job_id: int, *, cancelled: bool = False, key: str | None = None
    ) -> tuple[Job, bool]:
        """A new job of the tasks that failed, `cancelled`: and of those that were cancelled; False where
        `key` made it before.

        Its rights and limits are those of a new submission. Raises NotFound, Conflict (no array, not over,
        nothing failed), Invalid (too many to be named), and as `Jobs.submit`.
        """
        job = self._array(self._jobs.own(person, job_id))
        if not job.state.final:
            words = "is not over: what failed can run again once every task is. Wait for it, or cancel it."
            raise Conflict(f"Job {job.id} {words}")
        again = self._again(job, FAILURES | ({JobState.CANCELLED} if cancelled else set()), cancelled)
        tasks = compressed(again)
        if len(tasks) > MAX_LENGTH:
            words = f"{len(again)} tasks failed, here and there: their list has {len(tasks)} characters, and"
            raise Invalid({"array": f"{words} Slurm takes {MAX_LENGTH}; run the whole array again"})
        return self._jobs.submit_retry(
            person, _only(self._jobs.request(person, job_id), tasks), Retry(job, tasks), key
        )

    def _again(self, job: Job, states: Collection[JobState], cancelled: bool) -> list[int]:
        standing = self.states(job)
        self._demand_certainty(job, JobState.LOST in standing.values())
        found = [index for index, state in standing.items() if state in states]
        if not found:
            others = sum(state is JobState.CANCELLED for state in standing.values())
            hint = f" {others} were cancelled: ask for these too to run them." if others else ""
            raise Conflict(
                f"No task of job {job.id} {'failed or was cancelled' if cancelled else 'failed'}.{hint}"
            )
        return found

    def _demand_certainty(self, job: Job, lost: bool) -> None:
        """Right after the end accounting may not have told of all tasks; a success must not run again."""
        late = lost and job.usage is None and job.slurm_id is not None
        if late and self._clock.now() - (job.ended_at or job.changed_at) < USAGE_COMES_WITHIN:
            raise Conflict(
                f"How all tasks of job {job.id} ended is not known yet; try again in some minutes."
            )

    @staticmethod
    def _array(job: Job) -> Job:
        if job.spec.array is None:
            raise Conflict(f"Job {job.id} is no array: it has no tasks. Run it again as a whole.")
        return job


def _shown(index: int, state: JobState, told: Task | None) -> Task:
    if told is None:
        return Task(index=index, state=state)
    return told if told.state is state else told.model_copy(update={"state": state})


def _only(request: JobRequest, tasks: str) -> JobRequest:
    """`request` for some of its tasks, as many at once as before."""
    if request.sweep is not None:
        return request.model_copy(update={"sweep": request.sweep.model_copy(update={"only": tasks})})
    _, percent, most = (request.array or "").partition("%")
    return request.model_copy(update={"array": f"{tasks}{percent}{most}"})
