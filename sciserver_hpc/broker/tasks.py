"""Tasks of arrays: what a look shows of each, beside what was known of it before."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from ..domain.jobs import Job
from ..domain.lifecycle import Step, with_tasks
from ..domain.scheduling import Sighting
from ..domain.tasks import Task
from ..ports import Store


class TaskMemory:
    """What stands in the database of tasks, kept while their job's row is the one it was kept with.

    Tasks are written only with a new version of their job's row, by whoever leads: the version tells whether
    the memory is true. Else 10,000 tasks would be read anew with each look at their array.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[int, tuple[int, dict[int, Task]]] = {}

    def heed(self, job: Job, sighting: Sighting) -> tuple[Sighting, tuple[Task, ...]]:
        """See `with_tasks`."""
        if job.spec.array is None:
            return sighting, ()
        return with_tasks(job, sighting, self._known(job))

    def note(self, stored: Iterable[Job], steps: Iterable[Step]) -> None:
        """`steps` made these jobs what they are now."""
        now = {job.id: job for job in stored}
        for step in steps:
            job = now.get(step.old.id)
            kept = self._kept.get(step.old.id)
            if job is not None and kept is not None and kept[0] == step.old.version:
                tasks = kept[1] | {task.index: task for task in step.tasks}
                self._kept[job.id] = (job.version, tasks)

    def forget_all_but(self, job_ids: Collection[int]) -> None:
        """The others are over."""
        for job_id in set(self._kept).difference(job_ids):
            del self._kept[job_id]

    def _known(self, job: Job) -> dict[int, Task]:
        kept = self._kept.get(job.id)
        if kept is None or kept[0] != job.version:
            kept = (job.version, {task.index: task for task in self._store.tasks(job.id)})
            self._kept[job.id] = kept
        return kept[1]


def telling(job: Job, step: Step | None, tasks: tuple[Task, ...]) -> Step | None:
    """`step` with the tasks that changed; where nothing else of the job did, its row gets a new version."""
    if not tasks:
        return step
    return replace(step or Step(job, job, ()), tasks=tasks)
