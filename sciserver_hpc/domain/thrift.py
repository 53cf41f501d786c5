"""What a job used of what it asked for, and what to ask for next time. Pure.

A request that fits starts sooner: Slurm fills gaps with what is small and short. Advice is given only where
it is worth a word, and leaves room: a run may need more than the last one did.
"""

from __future__ import annotations

from math import ceil

from .jobs import Job, Kind, Usage
from .resources import Resources, duration
from .states import JobState

LEAST_S = 60
"""Seconds: what ran for less tells little about what it needs."""

WORTH = 0.6
"""Less than this of what was asked for is worth a word."""

_MEMORY_STEP_MB = 256
_TIME_STEP_S = 600


def fitting(job: Job) -> Resources | None:
    """What the job should have asked for; None where its request fitted, or nothing can be said of it."""
    usage, asked = job.usage, job.spec.resources
    if job.state is not JobState.SUCCEEDED or job.kind is Kind.SESSION or usage is None:
        return None
    if usage.elapsed_s is None or usage.elapsed_s < LEAST_S:
        return None
    better = {
        field: value
        for field, value in (
            ("memory_mb", _memory_mb(usage)),
            ("cpus", _cpus(job, usage)),
            ("time_limit_s", _up(usage.elapsed_s * 1.5, _TIME_STEP_S)),
        )
        if value is not None and value <= WORTH * getattr(asked, field)
    }
    return asked.model_copy(update=better) if better else None


def advice(job: Job) -> str:
    """Why, and what to ask for, in a sentence or two; "" where the request fitted."""
    better, usage, asked = fitting(job), job.usage, job.spec.resources
    if better is None or usage is None:
        return ""
    used, ask = [], []
    if better.memory_mb != asked.memory_mb:
        used.append(f"{(usage.max_rss or 0) / 2**20:.0f} of {asked.memory_mb} MB")
        ask.append(f"{better.memory_mb} MB")
    if better.cpus != asked.cpus:
        cores = (usage.cpu_s or 0) / (usage.elapsed_s or 1)
        used.append(f"{cores:.1f} of {asked.cpus} CPUs")
        ask.append(f"{better.cpus} CPU{'s' if better.cpus > 1 else ''}")
    if better.time_limit_s != asked.time_limit_s:
        used.append(f"{duration(usage.elapsed_s or 0)} of {duration(asked.time_limit_s)}")
        ask.append(duration(better.time_limit_s))
    return f"Used {_all(used)}: ask for {_all(ask)} next time, and it may start sooner."


def _memory_mb(usage: Usage) -> int | None:
    return None if not usage.max_rss else _up(usage.max_rss / 2**20 * 1.3, _MEMORY_STEP_MB)


def _cpus(job: Job, usage: Usage) -> int | None:
    """Of one task on one node: an array's CPU time is that of all its tasks, and ranks share a job's."""
    asked = job.spec.resources
    if usage.cpu_s is None or not usage.elapsed_s or job.spec.array or asked.tasks * asked.nodes > 1:
        return None
    return max(1, ceil(usage.cpu_s / usage.elapsed_s * 1.1))


def _up(value: float, step: int) -> int:
    return ceil(value / step) * step


def _all(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
