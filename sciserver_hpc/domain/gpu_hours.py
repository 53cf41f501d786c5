"""GPU hours: one GPU for one hour, counted by calendar month in UTC. Pure.

A job that is not over counts the most it may still use in the month, so that whatever was accepted within a
limit stays within it; one that is over counts what it used. What it may use beyond the month's end counts in
this one already, and again in the next from its first moment on: there it is the first that is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .arrays import at_once, task_count
from .resources import Resources
from .states import JobState

_RUNS = (JobState.RUNNING, JobState.COMPLETING)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class GpuJob:
    """What a job's row says of its use. longest_s: of its tasks' times, where accounting told it."""

    domain: str
    asked: Resources
    array: str | None
    state: JobState
    started_at: datetime | None
    ended_at: datetime | None
    longest_s: int | None = None


def month_of(now: datetime) -> datetime:
    """The first moment of the month."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def renewal(now: datetime) -> datetime:
    """The first moment of the next month."""
    return month_of(month_of(now) + timedelta(days=32))


def at_most(asked: Resources, array: str | None) -> float:
    """The most a job may use: all its tasks to their time limit, in whole minutes as Slurm has it."""
    return _tasks(array) * _gpus(asked) * (_limit(asked) / _HOUR)


def counted(job: GpuJob, month: datetime) -> float:
    """What `job` counts in the month that begins at `month`. What it used before Slurm requeued it is not
    recorded."""
    begun = job.started_at and max(job.started_at, month)
    if job.state.final:
        return _used(job, begun) if begun and job.ended_at else 0
    if job.state in _RUNS and job.started_at and begun and not job.array:
        left = max(job.started_at + _limit(job.asked) - begun, timedelta())
        return _gpus(job.asked) * (left / _HOUR)
    return at_most(job.asked, job.array)


def by_domain(jobs: Iterable[GpuJob], month: datetime) -> dict[str, float]:
    """What all of them count, by compute domain."""
    found: dict[str, float] = {}
    for job in jobs:
        found[job.domain] = found.get(job.domain, 0) + counted(job, month)
    return found


def _used(job: GpuJob, begun: datetime) -> float:
    """Of an array's tasks only the longest time is known: the most that fits it and the array's own time."""
    span = max((job.ended_at or begun) - begun, timedelta())
    if not job.array:
        return _gpus(job.asked) * (span / _HOUR)
    each = span if job.longest_s is None else min(span, timedelta(seconds=job.longest_s))
    return _gpus(job.asked) * min(at_once(job.array) * (span / _HOUR), _tasks(job.array) * (each / _HOUR))


def _tasks(array: str | None) -> int:
    return task_count(array) if array else 1


def _gpus(asked: Resources) -> int:
    return asked.gpus * asked.nodes


def _limit(asked: Resources) -> timedelta:
    return timedelta(minutes=-(-asked.time_limit_s // 60))
