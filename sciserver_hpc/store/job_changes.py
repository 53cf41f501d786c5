"""Jobs: adding them, changing them by compare and set, and the fence at their start."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from hmac import compare_digest
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert

from ..domain.errors import Conflict
from ..domain.jobs import EventKind, Job, JobEvent, NewJob
from ..domain.states import JobState
from .job_rows import MOVING, event_row, inserted, moving
from .jobs import by_key, chunks
from .part import Part
from .schema import job_events, job_ids, job_requests, jobs
from .sessions import add_sessions

Change = tuple[Job, Job, Sequence[JobEvent]]
"""The job as it was read, as it shall be, and what is to be told of it."""

_WRITE = (
    update(jobs)
    .where(jobs.c.id == bindparam("job_id"), jobs.c.version == bindparam("old_version"))
    .values({name: bindparam(f"new_{name}") for name in MOVING})
)

_ADD_ID = insert(job_ids).returning(job_ids.c.id)
_ADD_REQUEST = insert(job_requests)
_ADD_EVENT = insert(job_events)


class JobChanges(Part):
    """Writing queries on `jobs`, `job_requests` and `job_events`."""

    def next_job_ids(self, count: int) -> list[int]:
        """See `ports.Store`."""
        if not count:
            return []
        with self._database.writing() as connection:
            return sorted(connection.execute(_ADD_ID, [{}] * count).scalars())

    def add_jobs(self, new: Sequence[NewJob]) -> list[Job | Conflict]:
        """See `ports.Store`.

        Rows go in by the order of their keys, so that two writers cannot wait for each other.
        """
        if not new:
            return []
        rows = [_row(one) for one in sorted(new, key=lambda one: (one.job.owner, one.key or ""))]
        with self._database.writing() as connection:
            ids = {row.id for row in connection.execute(self._add_unless_repeated, rows)}
            made = [one for one in new if one.job.id in ids]
            if made:
                requests = [{"job_id": one.job.id, "request": one.request} for one in made]
                connection.execute(_ADD_REQUEST, requests)
                connection.execute(_ADD_EVENT, [_accepted(one.job) for one in made])
                told = [event_row(*event) for one in made for event in one.events]
                if told:
                    connection.execute(_ADD_EVENT, told)
                add_sessions(connection, [one.job for one in made])
            return [one.job if one.job.id in ids else _earlier(connection, one) for one in new]

    @cached_property
    def _add_unless_repeated(self) -> ReturningInsert[tuple[int]]:
        added = self._database.insert(jobs)
        return added.on_conflict_do_nothing(index_elements=["owner", "idempotency_key"]).returning(jobs.c.id)

    def change_jobs(self, changes: Sequence[tuple[Job, Job, Sequence[JobEvent]]]) -> list[Job | None]:
        """See `ports.Store`.

        Rows are locked first, in the order of their ids, so that two writers cannot wait for each other.
        """
        with self._database.writing() as connection:
            versions = _lock(connection, sorted({old.id for old, _, _ in changes}))
            stored = [_decide(change, versions) for change in changes]
            writes = [
                _write(old, job) for (old, _, _), job in zip(changes, stored, strict=True) if job is not None
            ]
            told = [
                event_row(old.id, event)
                for (old, _, events), job in zip(changes, stored, strict=True)
                if job is not None
                for event in events
            ]
            if writes:
                connection.execute(_WRITE, writes)
            if told:
                connection.execute(_ADD_EVENT, told)
        return stored

    def claim(
        self,
        uuid: str,
        claim_digest: str,
        slurm_id: int,
        restarts: int,
        task: int | None,
        now: datetime,
    ) -> str:
        """See `ports.Store`.

        Restarts and array tasks carry the Slurm id of their job, so the id alone decides.
        """
        wanted = select(jobs.c.id, jobs.c.state, jobs.c.claim_digest, jobs.c.claimed_by).where(
            jobs.c.uuid == uuid
        )
        with self._database.writing() as connection:
            row = connection.execute(wanted.with_for_update()).one_or_none()
            if row is None or not compare_digest(row.claim_digest.encode(), claim_digest.encode()):
                return "unknown"
            if row.claimed_by is not None:
                return "run" if row.claimed_by == slurm_id else "duplicate"
            first = {"claimed_by": slurm_id, "version": jobs.c.version + 1, "changed_at": now}
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(first))
            state = row.state if JobState(row.state).final else JobState.RUNNING
            said = JobEvent(
                at=now, kind=EventKind.CLAIM, state=state, text=_started(slurm_id, restarts, task)
            )
            connection.execute(_ADD_EVENT, event_row(row.id, said))
        return "run"


def _row(new: NewJob) -> dict[str, Any]:
    return inserted(new.job) | {
        "claim_digest": new.claim_digest,
        "idempotency_key": new.key,
        "fingerprint": new.fingerprint,
    }


def _accepted(job: Job) -> dict[str, Any]:
    first = JobEvent(at=job.accepted_at, kind=EventKind.STATE, state=job.state, text="Accepted.")
    return event_row(job.id, first)


def _earlier(connection: Connection, new: NewJob) -> Job | Conflict:
    key = new.key or ""
    job, fingerprint = by_key(connection, new.job.owner, [key])[key]
    if fingerprint == new.fingerprint:
        return job
    return Conflict(
        f"The idempotency key was used before, for another request (job {job.id}). Use a new key."
    )


def _lock(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """Job id → version, of rows nobody else can change before this transaction ends."""
    versions: dict[int, int] = {}
    for chunk in chunks(ids):
        wanted = select(jobs.c.id, jobs.c.version).where(jobs.c.id.in_(chunk)).order_by(jobs.c.id)
        versions.update((row.id, row.version) for row in connection.execute(wanted.with_for_update()))
    return versions


def _decide(change: Change, versions: dict[int, int]) -> Job | None:
    old, new, _ = change
    if versions.get(old.id) != old.version:
        return None
    versions[old.id] = old.version + 1
    return new.model_copy(update={"version": old.version + 1})


def _write(old: Job, job: Job) -> dict[str, Any]:
    values = {f"new_{name}": value for name, value in moving(job).items()}
    return {"job_id": old.id, "old_version": old.version} | values


def _started(slurm_id: int, restarts: int, task: int | None) -> str:
    which = f"Slurm job {slurm_id}" + (f", array task {task}" if task is not None else "")
    return f"{which} starts." if not restarts else f"{which} starts again (restart {restarts})."
