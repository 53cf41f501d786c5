"""Marks on shared volumes and Unix groups: every write of grants or groups leaves one where a filesystem or
the directory may have to follow.

In the same transaction, so that no change is ever forgotten; what a mark is worth the broker finds out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, update

from ..domain.access import ResourceKind, Subject
from ..domain.groups import portal_group
from ..domain.upkeep import Upkeep
from .database import Database
from .reach import portal_groups_reached, volumes_reached
from .schema import unix_groups, upkeep

_LONGEST = (64, 32, 64)


def mark(
    database: Database, connection: Connection, things: Iterable[tuple[str, str]], now: datetime
) -> None:
    """Mark those of `things` (kind, name) that are user volumes."""
    parts = {tuple(name.split("/")) for kind, name in things if kind == ResourceKind.USER_VOLUME}
    rows = [_row(part, now) for part in sorted(filter(_is_address, parts))]
    if rows:
        added = database.insert(upkeep)
        again = added.on_conflict_do_update(
            index_elements=["root", "owner", "name"],
            set_={"marks": upkeep.c.marks + 1, "due_at": added.excluded.due_at},
        )
        connection.execute(again, rows)


def mark_reached(
    database: Database, connection: Connection, subjects: Iterable[Subject], now: datetime
) -> None:
    """Who is in any of `subjects` changes: mark the volumes granted to them, or to groups they are in, and
    those of these groups that are Unix groups."""
    subjects = list(subjects)
    found = volumes_reached(connection, subjects)
    _mark_groups(connection, portal_groups_reached(connection, subjects), now)
    mark(database, connection, ((ResourceKind.USER_VOLUME, name) for name in found), now)


def mark_granted(database: Database, connection: Connection, group: str, now: datetime) -> None:
    """Whom files name for this group of the portal changes: mark the volumes it reaches."""
    found = volumes_reached(connection, [portal_group(group)])
    mark(database, connection, ((ResourceKind.USER_VOLUME, name) for name in found), now)


def mark_known(connection: Connection, which: ColumnElement[bool], now: datetime) -> None:
    """Mark those that were marked before and match."""
    connection.execute(update(upkeep).where(which).values(marks=upkeep.c.marks + 1, due_at=now))


def _mark_groups(connection: Connection, names: Iterable[str], now: datetime) -> None:
    columns = unix_groups.c
    change = update(unix_groups).where(columns.group_name == bindparam("named"))
    rows = [{"named": name} for name in names]
    if rows:
        connection.execute(change.values(marks=columns.marks + 1, due_at=now), rows)


def _is_address(parts: tuple[str, ...]) -> bool:
    return len(parts) == 3 and all(0 < len(part) <= most for part, most in zip(parts, _LONGEST, strict=True))


def _row(address: tuple[str, ...], now: datetime) -> dict[str, object]:
    root, owner, name = address
    body = Upkeep(root=root, owner=owner, name=name).model_dump_json(exclude=COLUMNS)
    return {"root": root, "owner": owner, "name": name, "version": 0, "marks": 1, "due_at": now, "body": body}


COLUMNS = {"root", "owner", "name", "version", "marks", "due_at", "busy_until"}
"""What of an Upkeep stands in columns; the rest is its body."""
