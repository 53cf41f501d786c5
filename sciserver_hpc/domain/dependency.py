"""Which of a job's dependencies still bind, which are met, and which can never be met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .archive import ArchivedJob
from .jobs import DependencyType, Job
from .states import JobState


@dataclass(frozen=True)
class Readiness:
    """May a job go to Slurm? `slurm_ids`: our job id → Slurm id of those still to wait for, there."""

    slurm_ids: dict[int, int]
    waiting_for: tuple[int, ...] = ()
    """Job ids not in Slurm yet: the job waits here."""
    impossible: tuple[int, ...] = ()
    """Job ids that ended otherwise than asked: the job can never start."""


def readiness(job: Job, others: Mapping[int, Job | ArchivedJob]) -> Readiness:
    """Judge `job`'s dependencies by the jobs they name (a missing one counts as ended badly)."""
    slurm_ids: dict[int, int] = {}
    waiting: list[int] = []
    impossible: list[int] = []
    for dependency in job.spec.dependencies:
        other = others.get(dependency.job)
        if other is None:
            impossible.append(dependency.job)
        elif isinstance(other, ArchivedJob) or other.state.final:
            if not _met(dependency.type, other.state):
                impossible.append(dependency.job)
        elif other.slurm_id is None:
            waiting.append(dependency.job)
        else:
            slurm_ids[dependency.job] = other.slurm_id
    return Readiness(slurm_ids, tuple(waiting), tuple(impossible))


def _met(kind: DependencyType, state: JobState) -> bool:
    return {
        DependencyType.AFTERANY: True,
        DependencyType.AFTEROK: state is JobState.SUCCEEDED,
        DependencyType.AFTERNOTOK: state is not JobState.SUCCEEDED,
    }[kind]
