"""Changing rows that others change too: decide, compare and set; anew where somebody was quicker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..domain.jobs import Job
from ..domain.lifecycle import Step
from ..ports import Store

TRIES = 5
"""How often a change is tried anew when the same row changed meanwhile."""


@dataclass(frozen=True)
class Changed:
    """`done`: the jobs as stored; `missed`: ids of those that kept changing under every try."""

    done: list[Job]
    missed: list[int]


def change_anyhow(store: Store, jobs: Sequence[Job], rule: Callable[[Job], Step | None]) -> Changed:
    """Store what `rule` makes of each job; where a row changed meanwhile, of the row as it is now.

    For news that comes once: it must not be dropped because the broker, the portal or the job itself wrote
    something else at the same moment. `rule` answers None where the news does not matter, or no longer does.
    """
    done: list[Job] = []
    missed: list[int] = []
    for _ in range(TRIES):
        steps = [step for job in jobs if (step := rule(job)) is not None]
        stored = store.change_jobs([(s.old, s.new, s.events) for s in steps]) if steps else []
        done += [job for job in stored if job is not None]
        missed = [step.old.id for step, job in zip(steps, stored, strict=True) if job is None]
        if not missed:
            break
        jobs = list(store.jobs_by_id(missed).values())
    return Changed(done, missed)
