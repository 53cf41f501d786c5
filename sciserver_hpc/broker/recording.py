"""Writing steps down: compare and set, so that what somebody else changed meanwhile is never overwritten."""

from __future__ import annotations

from collections.abc import Iterable

from ..domain.jobs import Job
from ..domain.lifecycle import Step
from ..ports import Store


def record(store: Store, steps: Iterable[Step]) -> list[Job]:
    """Store `steps` in one transaction; return the jobs that were changed.

    A row that changed meanwhile (a cancel, a claim) is left alone: the next turn judges it anew.
    """
    changes = [(step.old, step.new, step.events) for step in steps]
    if not changes:
        return []
    return [job for job in store.change_jobs(changes) if job is not None]
