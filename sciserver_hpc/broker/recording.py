"""Writing steps down: compare and set, so that what somebody else changed meanwhile is never overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..domain.jobs import Job
from ..domain.lifecycle import Step
from ..ports import Store

_TRIES = 5


def record(store: Store, steps: Iterable[Step]) -> list[Job]:
    """Store `steps` in one transaction; return the jobs that were changed.

    A row that changed meanwhile (a cancel, a claim) is left alone: the next turn judges it anew.
    """
    changes = [(step.old, step.new, step.events) for step in steps]
    if not changes:
        return []
    return [job for job in store.change_jobs(changes) if job is not None]


def record_anyhow(store: Store, jobs: Sequence[Job], rule: Callable[[Job], Step | None]) -> list[Job]:
    """Store what `rule` makes of each job; where a row changed meanwhile, of the row as it is now.

    For news that comes once: a submission's outcome must not be dropped because its job has already claimed
    its start. `rule` answers None where the news no longer matters.
    """
    done: list[Job] = []
    for _ in range(_TRIES):
        steps = [step for job in jobs if (step := rule(job)) is not None]
        stored = store.change_jobs([(s.old, s.new, s.events) for s in steps]) if steps else []
        done += [job for job in stored if job is not None]
        missed = [step.old.id for step, job in zip(steps, stored, strict=True) if job is None]
        if not missed:
            break
        jobs = list(store.jobs_by_id(missed).values())
    return done
