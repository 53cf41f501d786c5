"""People, as the directory described them at their last login."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, func, or_, select

from ..domain.access import nameable
from ..domain.groups import Group, Source, user
from ..domain.people import Person
from .group_rows import group_row
from .marking import mark_known, mark_reached
from .part import Part
from .schema import groups, people, upkeep

_A_QUERY = 5_000
"""Values in one IN: engines bound the number of parameters."""

V = TypeVar("V")


class People(Part):
    """Queries on `people`."""

    def remember_person(self, person: Person) -> None:
        """See `ports.Store`."""
        row = person.model_dump() | {"groups": json.dumps(sorted(person.groups))}
        added = self._database.insert(people).values(row)
        rest = {name: added.excluded[name] for name in row if name != "username"}
        with self._database.writing() as connection:
            self._mark(connection, person)
            connection.execute(added.on_conflict_do_update(index_elements=["username"], set_=rest))
            named = sorted(filter(nameable, person.groups))
            there = select(groups.c.name).where(groups.c.source == Source.DIRECTORY, groups.c.name.in_(named))
            new = set(named) - set(connection.execute(there).scalars()) if named else set()
            for name in sorted(new):
                connection.execute(self._first_seen(name))

    def _mark(self, connection: Connection, person: Person) -> None:
        """Where their uid, or what comes to them by groups, makes a difference on a filesystem."""
        row = connection.execute(select(people).where(people.c.username == person.username)).one_or_none()
        known = None if row is None else _person(row)
        if known is None or (known.uid, known.gid, known.groups) != (person.uid, person.gid, person.groups):
            mark_reached(self._database, connection, [user(person.username)], self._now())
        if known is None or known.uid != person.uid:
            mark_known(connection, upkeep.c.owner == person.username, self._now())

    def _first_seen(self, name: str) -> Any:
        """A group of the directory, when the first who is in it logs in; another login may be as quick."""
        group = Group(name=name, source=Source.DIRECTORY, created_at=self._now())
        return self._database.insert(groups).values(group_row(group)).on_conflict_do_nothing()

    def person(self, username: str) -> Person | None:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            row = connection.execute(select(people).where(people.c.username == username)).one_or_none()
        return None if row is None else _person(row)

    def people_named(self, usernames: Iterable[str]) -> list[Person]:
        """See `ports.Store`."""
        return self._people(people.c.username, usernames)

    def people_with(self, uids: Iterable[int]) -> list[Person]:
        """See `ports.Store`."""
        return self._people(people.c.uid, uids)

    def _people(self, column: Column[Any], values: Iterable[Any]) -> list[Person]:
        with self._database.reading() as connection:
            return [
                _person(row)
                for some in batched(sorted(set(values)))
                for row in connection.execute(select(people).where(column.in_(some)))
            ]

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


def batched(values: Sequence[V]) -> Iterator[Sequence[V]]:
    """In parts that one query takes."""
    return (values[start : start + _A_QUERY] for start in range(0, len(values), _A_QUERY))


def _person(row: Any) -> Person:
    return Person.model_validate(dict(row._mapping) | {"groups": json.loads(row.groups)})
