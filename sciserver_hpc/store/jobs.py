"""Jobs: reading them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    text,
    union_all,
)

from ..domain.gpu_hours import GpuJob
from ..domain.jobs import Job, JobEvent
from ..domain.lifecycle import USAGE_COMES_WITHIN
from ..domain.limits import Load, load_of
from ..domain.resources import Resources
from ..domain.states import ACTIVE, JobState
from .job_rows import EVENT, JOB, JOB_AND_KEY, event_of, job_of
from .part import Part
from .schema import ASKS_GPUS, LOST, archived_jobs, job_events, job_requests, jobs

_LOST_STAYS_FOR = timedelta(days=1)
_CHUNK = 500
"""Keys per IN (…): well under the number of parameters either engine takes."""

_HOLD = 0x5C15E14
"""First half of the key of PostgreSQL's advisory lock that `hold_jobs` takes; SQLite's writers take turns
anyway."""

# Built once: putting a statement of thirty columns together takes longer than running it.
_JOBS = select(*JOB)
_REQUESTS = select(job_requests.c.job_id, job_requests.c.request).where(
    job_requests.c.job_id.in_(bindparam("job_ids", expanding=True))
)
_WAITING = _JOBS.where(
    or_(
        jobs.c.state.in_((JobState.ACCEPTED, JobState.SUBMITTING)),
        and_(jobs.c.cancel_requested, jobs.c.state.in_(ACTIVE)),
    )
).order_by(jobs.c.id)
_BY_ID = _JOBS.where(jobs.c.id == bindparam("job_id"))
_BY_UUID = _JOBS.where(jobs.c.uuid == bindparam("uuid"))
_TURN = text("SELECT pg_advisory_xact_lock(:key, hashtext(:owner))")
_COUNT = select(func.count()).where(
    jobs.c.owner == bindparam("owner"), jobs.c.state.in_(bindparam("states", expanding=True))
)
_ASKED = {
    "sqlite": "json_extract(spec, '$.resources', '$.array')",
    "postgresql": "CAST(json_build_array(CAST(spec AS json)->'resources', CAST(spec AS json)->'array')"
    " AS text)",
}
_LOADS = {
    dialect: select(jobs.c.domain, literal_column(asked), func.count())
    .where(jobs.c.owner == bindparam("owner"), jobs.c.state.in_(bindparam("states", expanding=True)))
    .group_by(jobs.c.domain, literal_column(asked))
    for dialect, asked in _ASKED.items()
}
"""Summed up by the database: read one by one, some thousand jobs take a third of a second under its lock."""

_GPU_JOBS = {
    dialect: union_all(  # not OR, for which SQLite would read all that the owner ever ran
        *(
            select(
                jobs.c.domain,
                literal_column(_ASKED[dialect]).label("asked"),
                jobs.c.state,
                jobs.c.started_at,
                jobs.c.ended_at,
                jobs.c.usage,
            ).where(jobs.c.owner == bindparam("owner"), when, asks_gpus)
            for when in (
                jobs.c.ended_at.is_(None),
                jobs.c.ended_at >= bindparam("since", type_=jobs.c.ended_at.type),
            )
        )
    )
    for dialect, asks_gpus in ASKS_GPUS.items()
}

_BY_KEY = select(*JOB_AND_KEY).where(
    jobs.c.owner == bindparam("owner"), jobs.c.idempotency_key.in_(bindparam("keys", expanding=True))
)

Key = TypeVar("Key", int, str)


class Jobs(Part):
    """Reading queries on `jobs`, `job_requests` and `job_events`."""

    def job(self, job_id: int) -> Job | None:
        """See `ports.Store`."""
        return self._one(_BY_ID, {"job_id": job_id})

    def job_by_uuid(self, uuid: str) -> Job | None:
        """See `ports.Store`."""
        return self._one(_BY_UUID, {"uuid": uuid})

    def uuids_known(self, uuids: Sequence[str]) -> frozenset[str]:
        """See `ports.Store`."""
        found: set[str] = set()
        with self._database.reading() as connection:
            for chunk in chunks(uuids):
                for uuid in (jobs.c.uuid, archived_jobs.c.uuid):
                    found.update(connection.execute(select(uuid).where(uuid.in_(chunk))).scalars())
        return frozenset(found)

    def jobs_by_key(self, owner: str, keys: Sequence[str]) -> dict[str, tuple[Job, str]]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            return by_key(connection, owner, keys)

    def active_jobs(self) -> list[Job]:
        """See `ports.Store`."""
        now = self._now()
        lost = and_(LOST, jobs.c.changed_at > now - _LOST_STAYS_FOR)
        ended = and_(jobs.c.ended_at > now - USAGE_COMES_WITHIN, jobs.c.usage.is_(None), jobs.c.slurm_id > 0)
        # Not OR, for which SQLite reads the whole history in the order of its ids.
        wanted = union_all(
            *(select(jobs.c.id).where(which) for which in (jobs.c.state.in_(ACTIVE), lost, ended))
        )
        return self._many(_JOBS.where(jobs.c.id.in_(wanted)).order_by(jobs.c.id))

    def waiting_jobs(self) -> list[Job]:
        """See `ports.Store`."""
        return self._many(_WAITING)

    def jobs_by_id(self, job_ids: Sequence[int]) -> dict[int, Job]:
        """See `ports.Store`."""
        found = (self._many(_JOBS.where(jobs.c.id.in_(chunk))) for chunk in chunks(job_ids))
        return {job.id: job for some in found for job in some}

    def hold_jobs(self, owner: str) -> None:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(_TURN, {"key": _HOLD, "owner": owner})

    def count_jobs(self, owner: str, states: Sequence[JobState]) -> int:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            return connection.execute(_COUNT, {"owner": owner, "states": states}).scalar_one()

    def count_jobs_of(self, owners: Sequence[str], states: Sequence[JobState]) -> dict[str, int]:
        """See `ports.Store`."""
        wanted = select(jobs.c.owner, func.count()).where(jobs.c.owner.in_(owners), jobs.c.state.in_(states))
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(wanted.group_by(jobs.c.owner))}

    def loads(self, owner: str, states: Sequence[JobState]) -> list[Load]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            wanted = _LOADS[connection.dialect.name]
            rows = connection.execute(wanted, {"owner": owner, "states": states}).all()
        return [_load(*row) for row in rows]

    def gpu_jobs(self, owner: str, since: datetime) -> list[GpuJob]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            wanted = _GPU_JOBS[connection.dialect.name]
            rows = connection.execute(wanted, {"owner": owner, "since": since}).all()
        asked = {words: _asked(words) for words in {row.asked for row in rows}}
        return [_gpu_job(row, *asked[row.asked]) for row in rows]

    def requests(self, job_ids: Sequence[int]) -> dict[int, str]:
        """See `ports.Store`."""
        found: dict[int, str] = {}
        with self._database.reading() as connection:
            for chunk in chunks(job_ids):
                rows = connection.execute(_REQUESTS, {"job_ids": list(chunk)})
                found.update((row.job_id, row.request) for row in rows)
        return found

    def events(self, job_id: int) -> list[JobEvent]:
        """See `ports.Store`.

        Oldest first.
        """
        wanted = select(*EVENT).where(job_events.c.job_id == job_id).order_by(job_events.c.id)
        with self._database.reading() as connection:
            return [event_of(row) for row in connection.execute(wanted)]

    def _one(self, wanted: Select[*tuple[object, ...]], values: dict[str, Any]) -> Job | None:
        with self._database.reading() as connection:
            row = connection.execute(wanted, values).one_or_none()
        return None if row is None else job_of(row)

    def _many(self, wanted: Select[*tuple[object, ...]]) -> list[Job]:
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return [job_of(row) for row in rows]


def by_key(connection: Connection, owner: str, keys: Sequence[str]) -> dict[str, tuple[Job, str]]:
    """See `ports.Store.jobs_by_key`."""
    found: dict[str, tuple[Job, str]] = {}
    for chunk in chunks(keys):
        rows = connection.execute(_BY_KEY, {"owner": owner, "keys": list(chunk)})
        found.update((row.idempotency_key, (job_of(row[:-2]), row.fingerprint)) for row in rows)
    return found


def chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """`keys` in pieces that fit into one statement."""
    return (keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK))


def _load(domain: str, asked: str, times: int) -> Load:
    return load_of(domain, *_asked(asked)).times(times)


def _asked(text: str) -> tuple[Resources, str | None]:
    resources, array = json.loads(text)
    return Resources.model_validate(resources), array


def _gpu_job(row: Any, asked: Resources, array: str | None) -> GpuJob:
    usage = json.loads(row.usage) if row.usage and array else {}
    return GpuJob(
        domain=row.domain,
        asked=asked,
        array=array,
        state=JobState(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        longest_s=usage.get("elapsed_s"),
    )
