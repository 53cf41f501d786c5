"""How far filesystems follow the grants on user volumes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import case, literal, or_, select, update

from ..domain.upkeep import Due, Upkeep
from .columns import Instant
from .marking import COLUMNS
from .part import Part
from .schema import upkeep


class Upkeeps(Part):
    """Queries on `upkeep`."""

    def upkeep(self, root: str, owner: str, name: str) -> Upkeep | None:
        """See `ports.Store`."""
        columns = upkeep.c
        wanted = select(upkeep).where(columns.root == root, columns.owner == owner, columns.name == name)
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _upkeep(row)

    def upkeeps_of(self, root: str, owner: str) -> list[Upkeep]:
        """See `ports.Store`."""
        columns = upkeep.c
        wanted = select(upkeep).where(columns.root == root, columns.owner == owner)
        with self._database.reading() as connection:
            return [_upkeep(row) for row in connection.execute(wanted.order_by(columns.name))]

    def upkeeps_due(self, now: datetime, limit: int) -> list[Due]:
        """See `ports.Store`. Bodies may be long, and are not read."""
        columns = upkeep.c
        free = or_(columns.busy_until.is_(None), columns.busy_until <= now)
        few = select(columns.root, columns.owner, columns.name, columns.guest)
        wanted = few.where(columns.due_at <= now, free).order_by(columns.due_at).limit(limit)
        with self._database.reading() as connection:
            return [Due(**row._mapping) for row in connection.execute(wanted)]

    def keep_up(self, old: Upkeep, new: Upkeep) -> Upkeep | None:
        """See `ports.Store`."""
        columns = upkeep.c
        same = (columns.root == old.root) & (columns.owner == old.owner) & (columns.name == old.name)
        changed = (
            update(upkeep)
            .where(same, columns.version == old.version)
            .values(
                version=old.version + 1,
                body=new.model_dump_json(exclude=COLUMNS),
                busy_until=new.busy_until,
                guest=new.guest,
                due_at=case((columns.marks == old.marks, literal(new.due_at, Instant)), else_=columns.due_at),
            )
        )
        with self._database.writing() as connection:
            if connection.execute(changed).rowcount == 0:
                return None
        return new.model_copy(update={"version": old.version + 1, "marks": old.marks})


def _upkeep(row: Any) -> Upkeep:
    columns = {name: row._mapping[name] for name in COLUMNS}
    return Upkeep.model_validate(json.loads(row.body) | columns)
