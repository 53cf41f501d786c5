"""Interactive sessions: what they have beyond their jobs, and forms kept under a name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from ..domain.jobs import Job, Kind
from ..domain.sessions import Session
from ..domain.states import ACTIVE, JobState
from .job_rows import JOB, job_of
from .part import Part
from .schema import jobs, session_presets, sessions

COLUMNS = {"job_id", "uuid", "owner", "app", "version", "closed", "forgotten"}
"""What of a Session stands in columns; the rest is its body."""

_BOTH = select(*JOB, *sessions.c).join_from(sessions, jobs, sessions.c.job_id == jobs.c.id)


class Sessions(Part):
    """Queries on `sessions` and `session_presets`."""

    def session(self, job_id: int) -> tuple[Job, Session] | None:
        """See `ports.Store`."""
        return next(iter(self._both(sessions.c.job_id == job_id)), None)

    def session_by_uuid(self, uuid: str) -> tuple[Job, Session] | None:
        """See `ports.Store`."""
        return next(iter(self._both(sessions.c.uuid == uuid)), None)

    def sessions_of(self, owner: str, limit: int) -> list[tuple[Job, Session]]:
        """See `ports.Store`."""
        return self._both(sessions.c.owner == owner, ~sessions.c.forgotten, limit=limit)

    def sessions_by_id(self, job_ids: Sequence[int]) -> list[tuple[Job, Session]]:
        """See `ports.Store`."""
        return self._both(sessions.c.job_id.in_(job_ids)) if job_ids else []

    def sessions_to_tend(self) -> list[tuple[Job, Session]]:
        """See `ports.Store`. In two questions, each with an index of its own."""
        started = jobs.c.state.not_in((JobState.ACCEPTED, JobState.SUBMITTING, JobState.PENDING))
        back = self._both(sessions.c.closed, jobs.c.state == JobState.RUNNING)
        return [*self._both(~sessions.c.closed, started), *back]

    def count_sessions(self, owner: str) -> int:
        """See `ports.Store`."""
        own = (jobs.c.owner == owner, jobs.c.state.in_(ACTIVE), jobs.c.kind == Kind.SESSION)
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(jobs).where(*own)).scalar_one()

    def keep_session(self, old: Session, new: Session) -> Session | None:
        """See `ports.Store`."""
        kept = new.model_copy(update={"version": old.version + 1})
        one = (sessions.c.job_id == old.job_id, sessions.c.version == old.version)
        with self._database.writing() as connection:
            done = connection.execute(update(sessions).where(*one).values(_columns(kept)))
        return kept if done.rowcount else None

    def presets(self, owner: str, app: str) -> dict[str, str]:
        """See `ports.Store`."""
        wanted = select(session_presets.c.name, session_presets.c.request).where(
            session_presets.c.owner == owner, session_presets.c.app == app
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(session_presets.c.name))
            return {row.name: row.request for row in rows}

    def keep_preset(self, owner: str, app: str, name: str, request: str) -> None:
        """See `ports.Store`."""
        key = {"owner": owner, "app": app, "name": name}
        added = self._database.insert(session_presets).values(**key, request=request)
        with self._database.writing() as connection:
            connection.execute(
                added.on_conflict_do_update(index_elements=list(key), set_={"request": request})
            )

    def remove_preset(self, owner: str, app: str, name: str) -> bool:
        """See `ports.Store`."""
        columns = session_presets.c
        one = (columns.owner == owner, columns.app == app, columns.name == name)
        with self._database.writing() as connection:
            return connection.execute(delete(session_presets).where(*one)).rowcount > 0

    def _both(self, *which: ColumnElement[bool], limit: int | None = None) -> list[tuple[Job, Session]]:
        wanted = _BOTH.where(*which).order_by(sessions.c.job_id.desc())
        with self._database.reading() as connection:
            rows = connection.execute(wanted if limit is None else wanted.limit(limit)).all()
        return [(job_of(row[: len(JOB)]), _session(row[len(JOB) :])) for row in rows]


def add_sessions(connection: Connection, made: Sequence[Job]) -> None:
    """Give each of the new jobs that is a session its row."""
    new = [
        Session(job_id=job.id, uuid=job.uuid, owner=job.owner, app=job.spec.app.name)
        for job in made
        if job.kind is Kind.SESSION and job.spec.app is not None
    ]
    if new:
        connection.execute(insert(sessions), [_columns(one) for one in new])


def _columns(session: Session) -> dict[str, Any]:
    body = session.model_dump_json(exclude=COLUMNS)
    return {name: getattr(session, name) for name in COLUMNS} | {"body": body}


def _session(row: Any) -> Session:
    columns = dict(zip((column.name for column in sessions.c), row, strict=True))
    return Session.model_validate(json.loads(columns.pop("body")) | columns)
