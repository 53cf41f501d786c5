"""Who was granted what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select, tuple_

from ..domain.access import Grant, Resource, Subject, SubjectKind
from ..domain.sharing import Share
from .grant_rows import grant_of, row_of, share_of
from .marking import mark
from .part import Part
from .schema import GRANT_KEY, grants


class Grants(Part):
    """Queries on `grants`."""

    def grants(self, subjects: Sequence[tuple[str, str]]) -> list[Grant]:
        """See `ports.Store`."""
        theirs = tuple_(grants.c.subject_kind, grants.c.subject_name).in_(subjects)
        with self._database.reading() as connection:
            found = connection.execute(select(grants).where(theirs).order_by(grants.c.id)).all()
        return [grant_of(row) for row in found]

    def add_grants(self, given: Sequence[Grant], now: datetime) -> list[Share]:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            mark(self._database, connection, (_thing(grant.resource) for grant in given), now)
            return [
                share_of(connection.execute(self._adding(grant, now).returning(grants)).one())
                for grant in given
            ]

    def _adding(self, grant: Grant, now: datetime) -> Any:
        added = self._database.insert(grants).values(row_of(grant) | {"created_at": now})
        return added.on_conflict_do_update(
            index_elements=list(GRANT_KEY), set_={"expires": added.excluded.expires}
        )

    def share(self, share_id: int) -> Share | None:
        """See `ports.Store`."""
        found = self._shares(grants.c.id == share_id, 0, 1)
        return found[0] if found else None

    def shares_on(self, resource: Resource, after: int = 0, limit: int = 100) -> list[Share]:
        """See `ports.Store`."""
        return self._shares(_on(resource), after, limit)

    def shares_on_each(self, resources: Sequence[Resource]) -> list[Share]:
        """See `ports.Store`."""
        these = tuple_(grants.c.resource_kind, grants.c.resource_name)
        return self._shares(these.in_([(one.kind, one.name) for one in resources]), 0, None)

    def shares_between(self, resource: Resource, subject: Subject) -> list[Share]:
        """See `ports.Store`."""
        return self._shares(_on(resource) & _to(subject), 0, None)

    def shares_by(self, username: str, after: int = 0, limit: int = 100) -> list[Share]:
        """See `ports.Store`."""
        return self._shares(grants.c.granted_by == username, after, limit)

    def named_in_grants(self, group: str) -> bool:
        """See `ports.Store`."""
        named = exists().where(
            grants.c.subject_kind == SubjectKind.PORTAL_GROUP, grants.c.subject_name == group
        )
        with self._database.reading() as connection:
            return bool(connection.execute(select(named)).scalar_one())

    def drop_grants(self, ids: Sequence[int]) -> int:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            gone = delete(grants).where(grants.c.id.in_(ids))
            rows = connection.execute(gone.returning(grants.c.resource_kind, grants.c.resource_name)).all()
            mark(self._database, connection, ((kind, name) for kind, name in rows), self._now())
            return len(rows)

    def _shares(self, which: ColumnElement[bool], after: int, limit: int | None) -> list[Share]:
        wanted = select(grants).where(which, grants.c.id > after).order_by(grants.c.id).limit(limit)
        with self._database.reading() as connection:
            return [share_of(row) for row in connection.execute(wanted)]


def _thing(resource: Resource) -> tuple[str, str]:
    return resource.kind, resource.name


def _on(resource: Resource) -> ColumnElement[bool]:
    return (grants.c.resource_kind == resource.kind) & (grants.c.resource_name == resource.name)


def _to(subject: Subject) -> ColumnElement[bool]:
    return (grants.c.subject_kind == subject.kind) & (grants.c.subject_name == subject.name)
