"""What a job asks of the cluster."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from .model import Model

UNLIMITED = "none"
"""Stands in a site's file for no limit where leaving the field out means one."""


class Resources(Model):
    """Asked resources.

    `memory_mb` is MiB per node, `time_limit_s` is rounded up to Slurm's whole minutes.
    """

    cpus: int = Field(default=1, ge=1, le=4096)
    """CPUs per task (sbatch -c)."""

    tasks: int = Field(default=1, ge=1, le=100_000)
    nodes: int = Field(default=1, ge=1, le=10_000)
    memory_mb: int = Field(default=1024, ge=1, le=64_000_000)
    time_limit_s: int = Field(default=3600, ge=60, le=366 * 86400)
    gpus: int = Field(default=0, ge=0, le=64)
    """GPUs per node."""


class Limits(Model):
    """The most a compute domain gives one job.

    `None` where the domain sets no limit.
    """

    cpus: int | None = Field(default=None, ge=1)
    """CPUs of the whole job: cpus per task × tasks."""

    nodes: int | None = Field(default=1, ge=1)
    memory_mb: int | None = Field(default=None, ge=1)
    time_limit_s: int | None = Field(default=None, ge=60)
    gpus: int = Field(default=0, ge=0)

    @field_validator("nodes", mode="before")
    @classmethod
    def _unlimited(cls, value: Any) -> Any:
        return None if value == UNLIMITED else value


def over_limit(asked: Resources, limits: Limits, domain: str) -> dict[str, str]:
    """Return a sentence per field of `asked` over `limits`; empty when all fit."""
    table = (
        ("cpus", asked.cpus * asked.tasks, limits.cpus, "CPUs"),
        ("nodes", asked.nodes, limits.nodes, "nodes"),
        ("memory_mb", asked.memory_mb, limits.memory_mb, "MB of memory"),
        ("time_limit_s", asked.time_limit_s, limits.time_limit_s, "seconds"),
        ("gpus", asked.gpus, limits.gpus, "GPUs"),
    )
    return {
        f"resources.{field}": _sentence(field, value, limit, unit, domain)
        for field, value, limit, unit in table
        if limit is not None and value > limit
    }


def _sentence(field: str, value: int, limit: int, unit: str, domain: str) -> str:
    if field == "time_limit_s":
        return f"asks {duration(value)}; at most {duration(limit)} in domain {domain}"
    return f"asks {value} {unit}; at most {limit} in domain {domain}"


def duration(seconds: int) -> str:
    """`seconds` in words for people: `90 s`, `2 min`, `8 h`, `1 d 12 h`."""
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 120:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{days} d" + (f" {hours % 24} h" if hours % 24 else "")
