"""Writing steps down: compare and set, so that what somebody else changed meanwhile is never overwritten."""

from __future__ import annotations

from collections.abc import Iterable

from ..domain.jobs import Job
from ..domain.lifecycle import Step
from ..ports import Store


def record(store: Store, steps: Iterable[Step]) -> list[Job]:
    """Store `steps` in one transaction; return the jobs that were changed.

    A row that changed meanwhile (a cancel, a claim) is left alone, and so are its tasks: the next turn judges
    it anew.
    """
    wanted = list(steps)
    if not wanted:
        return []
    changes = [(step.old, step.new, step.events) for step in wanted]
    if not any(step.tasks for step in wanted):
        return [job for job in store.change_jobs(changes) if job is not None]
    with store.transaction():
        stored = store.change_jobs(changes)
        pairs = zip(wanted, stored, strict=True)
        store.keep_tasks([(job.id, step.tasks) for step, job in pairs if job is not None])
    return [job for job in stored if job is not None]
