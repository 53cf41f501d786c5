"""Support sessions: who looks as whom, until when."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, exists, insert, or_, select, update

from ..domain.support import SupportSession
from .part import Part
from .schema import support_sessions, tokens


class Supports(Part):
    """Queries on `support_sessions`."""

    def add_support(self, session: SupportSession) -> SupportSession:
        """See `ports.Store`."""
        row = session.model_dump(exclude={"id", "seen"}) | {"seen": json.dumps(sorted(session.seen))}
        with self._database.writing() as connection:
            return _session(
                connection.execute(insert(support_sessions).values(row).returning(support_sessions)).one()
            )

    def support(self, digest: str) -> SupportSession | None:
        """See `ports.Store`."""
        found = self._open(support_sessions.c.digest == digest)
        return found[0] if found else None

    def supports_open(self) -> list[SupportSession]:
        """See `ports.Store`."""
        return self._open()

    def supports_over(self, now: datetime) -> list[SupportSession]:
        """See `ports.Store`."""
        return self._open(or_(support_sessions.c.expires_at <= now, ~_login_lives(now)))

    def end_support(self, session_id: int, now: datetime) -> bool:
        """See `ports.Store`."""
        columns = support_sessions.c
        ending = update(support_sessions).where(columns.id == session_id, columns.ended_at.is_(None))
        with self._database.writing() as connection:
            return connection.execute(ending.values(ended_at=now)).rowcount > 0

    def note_seen(self, session_id: int, group: str) -> bool:
        """See `ports.Store`."""
        one = support_sessions.c.id == session_id
        with self._database.writing() as connection:
            text = connection.execute(select(support_sessions.c.seen).where(one)).scalar_one()
            seen = set(json.loads(text))
            if group in seen:
                return False
            kept = json.dumps(sorted(seen | {group}))
            same = support_sessions.c.seen == text
            changed = connection.execute(update(support_sessions).where(one, same).values(seen=kept))
            return changed.rowcount > 0

    def _open(self, *which: ColumnElement[bool]) -> list[SupportSession]:
        columns = support_sessions.c
        wanted = select(support_sessions).where(columns.ended_at.is_(None), *which).order_by(columns.id)
        with self._database.reading() as connection:
            return [_session(row) for row in connection.execute(wanted)]


def _login_lives(now: datetime) -> ColumnElement[bool]:
    return exists().where(tokens.c.id == support_sessions.c.login, tokens.c.expires_at > now)


def _session(row: Row[Any]) -> SupportSession:
    columns = dict(row._mapping) | {"seen": json.loads(row.seen)}
    return SupportSession.model_validate({key: value for key, value in columns.items() if key != "ended_at"})
