"""Passes: who was let into which session, by which login."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, select, update

from ..domain.sessions import Pass
from .part import Part
from .schema import session_passes, tokens

_FIELDS = [session_passes.c[name] for name in Pass.model_fields]


class Passes(Part):
    """Queries on `session_passes`."""

    def add_ticket(self, ticket: Pass, digest: str) -> Pass:
        """See `ports.Store`.

        The person's tickets that nobody used in their time go at the same time.
        """
        row = ticket.model_dump(exclude={"id"}) | {"digest": digest}
        columns, now = session_passes.c, ticket.created_at
        stale = (columns.username == ticket.username, columns.used_at.is_(None), columns.expires_at <= now)
        with self._database.writing() as connection:
            connection.execute(delete(session_passes).where(*stale))
            added = connection.execute(insert(session_passes).values(row).returning(*_FIELDS))
            return _pass(added.one())

    def use_ticket(self, job_id: int, ticket: str, cookie: str, now: datetime) -> Pass | None:
        """See `ports.Store`."""
        columns = session_passes.c
        fresh = (
            columns.job_id == job_id,
            columns.digest == ticket,
            columns.used_at.is_(None),
            columns.expires_at > now,
        )
        using = update(session_passes).where(*fresh, _login_lives(now)).values(digest=cookie, used_at=now)
        with self._database.writing() as connection:
            row = connection.execute(using.returning(*_FIELDS)).one_or_none()
        return None if row is None else _pass(row)

    def live_pass(self, job_id: int, digest: str, now: datetime) -> Pass | None:
        """See `ports.Store`."""
        columns = session_passes.c
        return next(
            iter(
                self._passes(columns.job_id == job_id, columns.digest == digest, _lives(), _login_lives(now))
            ),
            None,
        )

    def live_passes(self, job_ids: Sequence[int]) -> list[Pass]:
        """See `ports.Store`."""
        return self._passes(session_passes.c.job_id.in_(job_ids), _lives()) if job_ids else []

    def orphaned_passes(self, now: datetime) -> list[Pass]:
        """See `ports.Store`."""
        return self._passes(_lives(), ~_login_lives(now))

    def close_passes(self, pass_ids: Sequence[int], now: datetime) -> None:
        """See `ports.Store`."""
        if pass_ids:
            closing = update(session_passes).where(session_passes.c.id.in_(pass_ids), _lives())
            with self._database.writing() as connection:
                connection.execute(closing.values(closed_at=now))

    def _passes(self, *which: ColumnElement[bool]) -> list[Pass]:
        wanted = select(*_FIELDS).where(*which).order_by(session_passes.c.id)
        with self._database.reading() as connection:
            return [_pass(row) for row in connection.execute(wanted)]


def _lives() -> ColumnElement[bool]:
    return session_passes.c.used_at.is_not(None) & session_passes.c.closed_at.is_(None)


def _login_lives(now: datetime) -> ColumnElement[bool]:
    mine = (tokens.c.id == session_passes.c.login, tokens.c.username == session_passes.c.username)
    return exists().where(*mine, tokens.c.expires_at > now)


def _pass(row: Any) -> Pass:
    return Pass.model_validate(dict(row._mapping))
