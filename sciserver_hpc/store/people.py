"""People, as the directory described them at their last login."""

from __future__ import annotations

import json

from sqlalchemy import select

from ..domain.people import Person
from .part import Part
from .schema import people


class People(Part):
    """Queries on `people`."""

    def remember_person(self, person: Person) -> None:
        """See `ports.Store`."""
        row = person.model_dump() | {"groups": json.dumps(sorted(person.groups))}
        added = self._database.insert(people).values(row)
        rest = {name: added.excluded[name] for name in row if name != "username"}
        with self._database.writing() as connection:
            connection.execute(added.on_conflict_do_update(index_elements=["username"], set_=rest))

    def person(self, username: str) -> Person | None:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            row = connection.execute(select(people).where(people.c.username == username)).one_or_none()
        if row is None:
            return None
        return Person.model_validate(dict(row._mapping) | {"groups": json.loads(row.groups)})
