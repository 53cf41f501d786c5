"""Jobs to test with, and a store's calls for one of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sciserver_hpc.domain.errors import Conflict
from sciserver_hpc.domain.jobs import Job, JobEvent, JobSpec, Kind, NewJob
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.ports import Store

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def make_spec(uuid: str | None = None, **fields: Any) -> JobSpec:
    """A resolved shell job of alice's."""
    return JobSpec(
        **{
            "uuid": uuid or uuid4().hex,
            "name": "cycle",
            "owner": "alice",
            "uid": 2001,
            "gid": 2001,
            "domain": "batch",
            "cluster": "default",
            "partition": "batch",
            "account": None,
            "qos": None,
            "image": "python",
            "image_version": "1.0",
            "image_path": "/images/python.sif",
            "image_sha256": "0" * 64,
            "image_size": 4096,
            "image_mtime_ns": 1_700_000_000_000_000_000,
            "kind": Kind.SHELL,
            "filename": "command.txt",
            "resources": Resources(),
            "results_root": "/shared/Temporary/alice/jobs",
            "folder": "2026-01-15/20260115-120000-1",
            "results_target": "/home/idies/workspace/Temporary/alice/jobs",
            "results_volume": "Temporary/alice/jobs",
        }
        | fields
    )


def make_job(job_id: int = 1, **fields: Any) -> Job:
    """A job as it stands right after it was accepted, with `fields` changed; its spec follows."""
    uuid = fields.pop("uuid", None) or uuid4().hex
    owner, uid = fields.pop("owner", "alice"), fields.pop("uid", 2001)
    spec = fields.pop("spec", None) or make_spec(
        uuid, owner=owner, uid=uid, gid=uid, folder=f"2026-01-15/20260115-120000-{job_id}"
    )
    return Job(
        **{
            "id": job_id,
            "uuid": spec.uuid,
            "version": 1,
            "owner": spec.owner,
            "uid": spec.uid,
            "name": spec.name,
            "domain": spec.domain,
            "image": spec.image,
            "kind": spec.kind,
            "state": JobState.ACCEPTED,
            "cluster": spec.cluster,
            "spec": spec,
            "accepted_at": NOON,
            "changed_at": NOON,
        }
        | fields
    )


def next_job_id(store: Store) -> int:
    """One new id."""
    [job_id] = store.next_job_ids(1)
    return job_id


def add_job(
    store: Store, job: Job, digest: str, request: str, key: str | None = None, fingerprint: str = "f"
) -> Job:
    """Add one job. Raises Conflict."""
    [stored] = store.add_jobs([NewJob(job, digest, request, key, fingerprint)])
    if isinstance(stored, Conflict):
        raise stored
    return stored


def change_job(store: Store, old: Job, new: Job, events: Sequence[JobEvent]) -> Job | None:
    """Change one job; None when somebody else was quicker."""
    return store.change_jobs([(old, new, events)])[0]
