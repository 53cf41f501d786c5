"""A job as a row, and back.

The broker reads a thousand jobs per turn: rows were validated when they were written, so a Job is put
together without validating it again, and a spec's text, which never changes, is parsed once.
"""

from __future__ import annotations

import json
from typing import Any

from ..domain.jobs import End, Job, JobEvent, JobSpec, Kind, Usage
from ..domain.states import JobState
from .parsing import parsed
from .schema import job_events, jobs

_FIXED = (
    "id",
    "uuid",
    "owner",
    "uid",
    "name",
    "domain",
    "image",
    "kind",
    "cluster",
    "accepted_at",
)
_MOVING = (
    "version",
    "state",
    "restarts",
    "slurm_id",
    "claimed_by",
    "reason",
    "expected_start",
    "node",
    "cancel_requested",
    "cancel_by",
    "submitted_at",
    "started_at",
    "ended_at",
    "not_before",
    "attempts",
    "changed_at",
)
MOVING = (*_MOVING, "tasks", "end", "usage")
"""Columns a change may write; the rest stands as it was inserted."""

JOB = [jobs.c[name] for name in (*_FIXED, *MOVING, "spec")]
"""The columns that make a Job."""

JOB_AND_KEY = [*JOB, jobs.c.fingerprint, jobs.c.idempotency_key]
"""Those, and what the request is recognised by."""

EVENT = [job_events.c[name] for name in ("at", "kind", "state", "text")]
"""The columns that make a JobEvent."""

_NAMES = tuple(column.name for column in JOB)


def job_of(row: Any) -> Job:
    """The Job in a row of the columns `JOB`."""
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    end, usage = values["end"], values["usage"]
    values["kind"] = Kind(values["kind"])
    values["state"] = JobState(values["state"])
    values["tasks"] = json.loads(values["tasks"])
    values["end"] = None if end is None else End.model_validate_json(end)
    values["usage"] = None if usage is None else Usage.model_validate_json(usage)
    values["spec"] = parsed(JobSpec, values["spec"])
    return Job.model_construct(**values)


def inserted(job: Job) -> dict[str, Any]:
    """All columns of a new job but those that are not in the model."""
    return {name: getattr(job, name) for name in _FIXED} | moving(job) | {"spec": job.spec.model_dump_json()}


def moving(job: Job) -> dict[str, Any]:
    """The columns a change may write."""
    return {name: getattr(job, name) for name in _MOVING} | {
        "tasks": json.dumps(job.tasks),
        "end": job.end and job.end.model_dump_json(),
        "usage": job.usage and job.usage.model_dump_json(),
    }


def event_row(job_id: int, event: JobEvent) -> dict[str, Any]:
    """The columns of an event."""
    return {
        "job_id": job_id,
        "at": event.at,
        "kind": event.kind,
        "state": event.state,
        "text": event.text,
    }


def event_of(row: Any) -> JobEvent:
    """The JobEvent in a row of the columns `EVENT`."""
    return JobEvent.model_validate(dict(row._mapping))
