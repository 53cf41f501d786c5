"""Sessions to test with: a job that runs an app, its row, what its gate tells."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.gates import GateStatus
from sciserver_hpc.domain.jobs import Job, Kind
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.sessions import Session, is_of
from sciserver_hpc.domain.states import JobState

from .jobs import NOON, make_job, make_spec

ADDRESS = "10.1.2.3:40001"


def make_app(**fields: Any) -> App:
    """An app that can be looked at, and saves within a minute."""
    small = {"name": "lab", "version": "1", "title": "Lab", "tested": True, "view": True, "start": "exec lab"}
    return App(**small | {"save": "save all"} | fields)


def make_session_job(job_id: int = 1, deadline_s: int | None = 3600, **fields: Any) -> Job:
    """A session's job as it stands right after it was accepted: an hour long, to be extended by another."""
    owner, uid = fields.pop("owner", "alice"), fields.pop("uid", 2001)
    spec = make_spec(
        fields.pop("uuid", None),
        owner=owner,
        uid=uid,
        gid=uid,
        kind=Kind.SESSION,
        filename="app.sh",
        app=fields.pop("app", None) or make_app(),
        deadline_s=deadline_s,
        resources=Resources(time_limit_s=7200),
        folder=f"2026-01-15/20260115-120000-{job_id}",
    )
    return make_job(job_id, spec=spec, **fields)


def running(job: Job, **fields: Any) -> Job:
    """It started at noon, as Slurm job 1001."""
    told = {"state": JobState.RUNNING, "slurm_id": 1001, "claimed_by": 1001, "started_at": NOON, "node": "n1"}
    return job.model_copy(update=told | fields)


def make_status(job: Job, idle_s: float = 0.0, **fields: Any) -> GateStatus:
    """By the gate of the run there is."""
    told: dict[str, Any] = {"uuid": job.uuid, "slurm_id": job.claimed_by or job.slurm_id or 0}
    told |= {"restarts": job.restarts, "idle_s": idle_s, "cpu_s": 1.0, "memory_bytes": 1 << 30}
    status = GateStatus(**told | {"passes": {}, "bytes_in": 0, "bytes_out": 0} | fields)
    assert fields or is_of(status, job)
    return status


def make_row(job: Job, **fields: Any) -> Session:
    """As it is added with its job."""
    assert job.spec.app is not None
    return Session(**{"job_id": job.id, "uuid": job.uuid, "owner": job.owner, "app": "lab"} | fields)


def open_row(job: Job, **fields: Any) -> Session:
    """People may come in since a minute after noon."""
    at = NOON + timedelta(minutes=1)
    told: dict[str, Any] = {"address": ADDRESS, "status": make_status(job), "ready_at": at, "seen_at": at}
    return make_row(job, **told | {"ends_at": NOON + timedelta(hours=1)} | fields)
