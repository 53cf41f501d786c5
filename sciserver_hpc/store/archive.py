"""Jobs on their way into the archive, and what stays known of those that are there.

A file is written between two transactions: the first notes its name, so that a crash leaves no file that the
database has not heard of; the second deletes the rows and counts the file as whole. What is noted and not
whole was never in the archive.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, insert, select, update

from ..domain.archive import ArchivedJob, ArchiveRecord
from ..domain.states import ACTIVE
from .jobs import chunks
from .part import Part
from .schema import (
    archive_files,
    archived_jobs,
    job_events,
    job_requests,
    job_tasks,
    jobs,
    session_passes,
    sessions,
)

_HANGING: tuple[tuple[str, Table], ...] = (
    ("events", job_events),
    ("requests", job_requests),
    ("tasks", job_tasks),
    ("sessions", sessions),
    ("passes", session_passes),
)
"""What goes with a job, and by which name it stands in the record."""

_SECRETS = {"claim_digest", "digest"}
"""Columns that are of no use without the job, and so not written down."""

MOST_BYTES = 16_000_000
"""Of one batch: requests may be megabytes each, and none of this is to fill the broker's memory."""


class Archive(Part):
    """Queries on `archived_jobs` and `archive_files`."""

    def archivable(self, ended_before: datetime, limit: int) -> list[tuple[int, datetime]]:
        """See `ports.Store`."""
        size = func.length(jobs.c.spec) + func.coalesce(func.length(job_requests.c.request), 0)
        wanted = select(jobs.c.id, jobs.c.ended_at, size.label("size")).outerjoin_from(
            jobs, job_requests, job_requests.c.job_id == jobs.c.id
        )
        wanted = wanted.where(*_over(ended_before)).order_by(jobs.c.ended_at, jobs.c.id).limit(limit)
        with self._database.reading() as connection:
            return list(_one_batch(connection.execute(wanted).all()))

    def count_archivable(self, ended_before: datetime) -> int:
        """See `ports.Store`."""
        wanted = select(func.count()).select_from(jobs).where(*_over(ended_before))
        with self._database.reading() as connection:
            return connection.execute(wanted).scalar_one()

    def archive_records(self, job_ids: Sequence[int], file: str, now: datetime) -> list[ArchiveRecord]:
        """See `ports.Store`."""
        found: list[ArchiveRecord] = []
        with self._database.reading() as connection:
            for chunk in chunks(job_ids):
                hanging = {name: _by_job(connection, table, chunk) for name, table in _HANGING}
                rows = connection.execute(select(jobs).where(jobs.c.id.in_(chunk)).order_by(jobs.c.id))
                found.extend(_record(row._mapping, hanging, file, now) for row in rows)
        return found

    def begin_archive_file(self, name: str, now: datetime) -> None:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            connection.execute(insert(archive_files).values(name=name, begun_at=now, jobs=0, barred=False))

    def unfinished_archive_files(self) -> list[str]:
        """See `ports.Store`."""
        wanted = select(archive_files.c.name).where(archive_files.c.done_at.is_(None))
        with self._database.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def bar_archive_file(self, name: str) -> bool:
        """See `ports.Store`."""
        one = (archive_files.c.name == name, archive_files.c.done_at.is_(None))
        with self._database.writing() as connection:
            return connection.execute(update(archive_files).where(*one).values(barred=True)).rowcount > 0

    def forget_archive_files(self, begun_before: datetime) -> None:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            old = (archive_files.c.barred, archive_files.c.begun_at < begun_before)
            connection.execute(delete(archive_files).where(*old))

    def archive(self, records: Sequence[ArchiveRecord], file: str, now: datetime) -> bool:
        """See `ports.Store`."""
        versions = {record.job.job_id: record.version for record in records}
        with self._database.transaction(), self._database.writing() as connection:
            if _locked(connection, sorted(versions)) != versions:
                return False
            noted = (archive_files.c.name == file, archive_files.c.done_at.is_(None), ~archive_files.c.barred)
            whole = update(archive_files).where(*noted).values(done_at=now, jobs=len(records))
            if not connection.execute(whole).rowcount:
                return False
            connection.execute(insert(archived_jobs), [record.job.model_dump() for record in records])
            for chunk in chunks(sorted(versions)):
                for _, table in _HANGING:
                    connection.execute(delete(table).where(table.c.job_id.in_(chunk)))
                connection.execute(delete(jobs).where(jobs.c.id.in_(chunk)))
        return True

    def archived_by_id(self, job_ids: Sequence[int]) -> dict[int, ArchivedJob]:
        """See `ports.Store`."""
        found: dict[int, ArchivedJob] = {}
        if not job_ids:
            return found
        with self._database.reading() as connection:
            for chunk in chunks(job_ids):
                rows = connection.execute(select(archived_jobs).where(archived_jobs.c.job_id.in_(chunk)))
                found.update((row.job_id, _archived(row)) for row in rows)
        return found

    def archived_by_key(self, owner: str, keys: Sequence[str]) -> dict[str, ArchivedJob]:
        """See `ports.Store`."""
        columns = archived_jobs.c
        found: dict[str, ArchivedJob] = {}
        if not keys:
            return found
        with self._database.reading() as connection:
            for chunk in chunks(keys):
                mine = (columns.owner == owner, columns.idempotency_key.in_(chunk))
                rows = connection.execute(select(archived_jobs).where(*mine))
                found.update((row.idempotency_key, _archived(row)) for row in rows)
        return found

    def archived_jobs(self, owner: str | None, before_id: int | None, limit: int) -> list[ArchivedJob]:
        """See `ports.Store`."""
        wanted = select(archived_jobs).order_by(archived_jobs.c.job_id.desc()).limit(limit)
        if owner is not None:
            wanted = wanted.where(archived_jobs.c.owner == owner)
        if before_id is not None:
            wanted = wanted.where(archived_jobs.c.job_id < before_id)
        with self._database.reading() as connection:
            return [_archived(row) for row in connection.execute(wanted)]


def _over(ended_before: datetime) -> list[ColumnElement[bool]]:
    """Nothing is to come of such a job any more: no news, and nobody is in its session."""
    own = sessions.c.job_id == jobs.c.id
    in_use = and_(session_passes.c.used_at.is_not(None), session_passes.c.closed_at.is_(None))
    return [
        jobs.c.ended_at < ended_before,
        jobs.c.changed_at < ended_before,
        jobs.c.state.not_in(ACTIVE),
        ~exists().where(own, ~sessions.c.closed),
        ~exists().where(session_passes.c.job_id == jobs.c.id, in_use),
    ]


def _one_batch(rows: Sequence[Any]) -> Iterator[tuple[int, datetime]]:
    """The first of them, of one month, that are not too large together."""
    total = 0
    for row in rows:
        total += row.size
        first = rows[0].ended_at
        if row is not rows[0] and (total > MOST_BYTES or _month(row.ended_at) != _month(first)):
            return
        yield row.id, row.ended_at


def _month(moment: datetime) -> tuple[int, int]:
    return moment.year, moment.month


def _by_job(connection: Connection, table: Table, job_ids: Sequence[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    wanted = select(table).where(table.c.job_id.in_(job_ids)).order_by(*table.primary_key.columns)
    for row in connection.execute(wanted):
        found[row.job_id].append(_plain(row._mapping))
    return found


def _record(row: Any, hanging: dict[str, dict[int, list[Any]]], file: str, now: datetime) -> ArchiveRecord:
    spec = json.loads(row["spec"])
    job = ArchivedJob(
        job_id=row["id"],
        uuid=row["uuid"],
        owner=row["owner"],
        kind=row["kind"],
        name=row["name"],
        state=row["state"],
        ended_at=row["ended_at"],
        results=f"{spec['results_volume']}, folder {spec['folder']}",
        idempotency_key=row["idempotency_key"],
        file=file,
        archived_at=now,
    )
    whole = {"job": _plain(row)} | {name: rows.get(job.job_id, []) for name, rows in hanging.items()}
    return ArchiveRecord(job, row["version"], json.dumps(whole))


def _plain(row: Any) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
        if name not in _SECRETS
    }


def _locked(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """Id → version, locked in the order of their ids as every writer of jobs does."""
    found: dict[int, int] = {}
    for chunk in chunks(ids):
        wanted = select(jobs.c.id, jobs.c.version).where(jobs.c.id.in_(chunk)).order_by(jobs.c.id)
        found.update((row.id, row.version) for row in connection.execute(wanted.with_for_update()))
    return found


def _archived(row: Any) -> ArchivedJob:
    return ArchivedJob.model_validate(dict(row._mapping))
