"""Groups of the portal that are, or were, Unix groups of the directory."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import case, exists, literal, or_, select, update

from ..domain.groups import Source
from ..domain.unix_groups import GroupDue, UnixGroup
from .columns import Instant
from .marking import mark_granted
from .part import Part
from .schema import groups, unix_groups

COLUMNS = {"gid", "version", "marks", "due_at", "look_at", "busy_until"}
"""What of a UnixGroup stands in columns beside its name; the rest is its body."""


class UnixGroups(Part):
    """Queries on `unix_groups`."""

    def unix_group(self, group: str) -> UnixGroup | None:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            wanted = select(unix_groups).where(unix_groups.c.group_name == group)
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _unix_group(row)

    def unix_groups(self) -> list[UnixGroup]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            rows = connection.execute(select(unix_groups).order_by(unix_groups.c.group_name))
            return [_unix_group(row) for row in rows]

    def unix_groups_due(self, now: datetime, limit: int) -> list[GroupDue]:
        """See `ports.Store`."""
        columns = unix_groups.c
        tell, look = columns.due_at <= now, columns.look_at <= now
        few = select(columns.group_name, tell.label("tell"), look.label("look"))
        wanted = few.where(or_(tell, look)).order_by(columns.due_at, columns.group_name).limit(limit)
        with self._database.reading() as connection:
            return [
                GroupDue(group=row.group_name, directory=bool(row.tell), agent=bool(row.look))
                for row in connection.execute(wanted)
            ]

    def groups_not_unix(self, limit: int) -> list[str]:
        """See `ports.Store`."""
        there = exists().where(unix_groups.c.group_name == groups.c.name)
        living = (groups.c.source == Source.PORTAL) & groups.c.deleted_at.is_(None)
        wanted = select(groups.c.name).where(living, ~there).order_by(groups.c.id).limit(limit)
        with self._database.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def add_unix_group(self, row: UnixGroup) -> None:
        """See `ports.Store`."""
        added = self._database.insert(unix_groups).values(group_name=row.group, **_columns(row))
        with self._database.writing() as connection:
            connection.execute(added.on_conflict_do_nothing())

    def keep_unix_group(self, old: UnixGroup, new: UnixGroup) -> UnixGroup | None:
        """See `ports.Store`. Raises Conflict when another has its number."""
        columns, version = unix_groups.c, old.version + 1
        due_at = case((columns.marks == old.marks, literal(new.due_at, Instant)), else_=columns.due_at)
        values = _columns(new) | {"version": version, "marks": columns.marks, "due_at": due_at}
        changed = update(unix_groups).where(columns.group_name == old.group, columns.version == old.version)
        with self._database.writing() as connection:
            if connection.execute(changed.values(**values)).rowcount == 0:
                return None
            if old.on_files is not new.on_files:
                mark_granted(self._database, connection, old.group, self._now())
        return new.model_copy(update={"version": version, "marks": old.marks})

    def gids_given(self) -> frozenset[int]:
        """See `ports.Store`."""
        wanted = select(unix_groups.c.gid).where(unix_groups.c.gid.is_not(None))
        with self._database.reading() as connection:
            return frozenset(connection.execute(wanted).scalars())


def _columns(row: UnixGroup) -> dict[str, Any]:
    body = row.model_dump_json(exclude={"group", *COLUMNS})
    return {name: getattr(row, name) for name in COLUMNS} | {"body": body}


def _unix_group(row: Any) -> UnixGroup:
    columns = {name: row._mapping[name] for name in COLUMNS}
    return UnixGroup.model_validate(json.loads(row.body) | columns | {"group": row.group_name})
