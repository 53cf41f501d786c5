"""The broker's lease, and the small facts services tell of themselves."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select

from .part import Part
from .schema import leases, notes

_BROKER = "broker"


class Leadership(Part):
    """Queries on `leases` and `notes`."""

    def lead(self, holder: str, now: datetime, lease: timedelta) -> bool:
        """See `ports.Store`."""
        added = self._database.insert(leases).values(name=_BROKER, holder=holder, expires_at=now + lease)
        taken = added.on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": added.excluded.holder, "expires_at": added.excluded.expires_at},
            where=or_(leases.c.holder == holder, leases.c.expires_at <= now),
        )
        with self._database.writing() as connection:
            return connection.execute(taken.returning(leases.c.name)).one_or_none() is not None

    def release(self, holder: str) -> None:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            connection.execute(delete(leases).where(leases.c.name == _BROKER, leases.c.holder == holder))

    def note(self, key: str, value: dict[str, Any]) -> None:
        """See `ports.Store`."""
        added = self._database.insert(notes).values(key=key, value=json.dumps(value))
        newest = added.on_conflict_do_update(index_elements=["key"], set_={"value": added.excluded.value})
        with self._database.writing() as connection:
            connection.execute(newest)

    def notes(self) -> dict[str, dict[str, Any]]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            found = connection.execute(select(notes.c.key, notes.c.value).order_by(notes.c.key)).all()
        return {row.key: json.loads(row.value) for row in found}
