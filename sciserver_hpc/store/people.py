"""People, as the directory described them at their last login."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import func, or_, select

from ..domain.access import nameable
from ..domain.groups import Group, Source
from ..domain.people import Person
from .group_rows import group_row
from .part import Part
from .schema import groups, people


class People(Part):
    """Queries on `people`."""

    def remember_person(self, person: Person) -> None:
        """See `ports.Store`."""
        row = person.model_dump() | {"groups": json.dumps(sorted(person.groups))}
        added = self._database.insert(people).values(row)
        rest = {name: added.excluded[name] for name in row if name != "username"}
        with self._database.writing() as connection:
            connection.execute(added.on_conflict_do_update(index_elements=["username"], set_=rest))
            named = sorted(filter(nameable, person.groups))
            there = select(groups.c.name).where(groups.c.source == Source.DIRECTORY, groups.c.name.in_(named))
            new = set(named) - set(connection.execute(there).scalars()) if named else set()
            for name in sorted(new):
                connection.execute(self._first_seen(name))

    def _first_seen(self, name: str) -> Any:
        """A group of the directory, when the first who is in it logs in; another login may be as quick."""
        group = Group(name=name, source=Source.DIRECTORY, created_at=self._now())
        return self._database.insert(groups).values(group_row(group)).on_conflict_do_nothing()

    def person(self, username: str) -> Person | None:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            row = connection.execute(select(people).where(people.c.username == username)).one_or_none()
        return None if row is None else _person(row)

    def people_like(self, prefix: str, limit: int) -> list[Person]:
        """See `ports.Store`."""
        start = prefix.lower()
        full = func.lower(people.c.full_name)
        found = or_(
            people.c.username.startswith(start, autoescape=True),
            full.startswith(start, autoescape=True),
            full.contains(f" {start}", autoescape=True),
        )
        wanted = select(people).where(found).order_by(people.c.username).limit(limit)
        with self._database.reading() as connection:
            return [_person(row) for row in connection.execute(wanted)]


def _person(row: Any) -> Person:
    return Person.model_validate(dict(row._mapping) | {"groups": json.loads(row.groups)})
