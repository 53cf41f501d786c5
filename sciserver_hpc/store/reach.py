"""Whom a person acts as, and what that gives them: accepted memberships followed upward, once each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache

from sqlalchemy import Connection, Executable, text

from ..domain.access import SITE, Grant, Resource, Subject, SubjectKind
from ..domain.groups import Group
from ..domain.sharing import Share
from .columns import Instant
from .grant_rows import grant_of, share_of, subject_of
from .group_rows import group_of
from .part import Part

_PAIRS = {
    "sqlite": "SELECT json_extract(value, '$[0]') AS kind, json_extract(value, '$[1]') AS name"
    " FROM json_each(:{name})",
    "postgresql": "SELECT value->>0 AS kind, value->>1 AS name"
    " FROM json_array_elements(CAST(:{name} AS json))",
}
"""A list of (kind, name) handed over as one parameter: no limit on their number, one text to prepare."""

_EACH = {
    "sqlite": "LEFT JOIN {table} AS {alias} ON {where}",
    "postgresql": "LEFT JOIN LATERAL"
    " (SELECT * FROM {table} AS {alias} WHERE {where} OFFSET 0) AS {alias} ON true",
}
"""Look up each row on the left by an index of `table`.

No planner knows how few rows a recursion gives: told to join, PostgreSQL reads all grants there are.
"""

_ABOVE = "m.member_kind = reach.kind AND m.member_name = reach.name AND m.status = 'accepted'"
_THEIRS = "g.subject_kind = reach.kind AND g.subject_name = reach.name"
_ON_IT = f"{_THEIRS} AND g.resource_kind = things.kind AND g.resource_name = things.name"

_UPWARD = """
WITH RECURSIVE reach(kind, name) AS (
    {seeds}
  UNION
    SELECT 'portal_group', CAST(m.group_name AS text) FROM reach {memberships}
)
"""
"""UNION drops what was reached before, so a circle ends. Who is in no group reaches one without a name."""

_REACHED = "SELECT kind, name FROM reach WHERE name IS NOT NULL"

_EDGES = """
SELECT m.member_kind, m.member_name, m.group_name FROM reach {memberships} WHERE m.group_name IS NOT NULL
"""

_ALL = """
SELECT reach.kind AS kind, reach.name AS name, g.* FROM reach {grants}
WHERE reach.name IS NOT NULL ORDER BY g.id
"""

_ON_SOME = """
SELECT reach.kind AS kind, reach.name AS name, g.* FROM reach CROSS JOIN ({things}) AS things {grants_on_it}
WHERE reach.name IS NOT NULL ORDER BY g.id
"""

_SHARES = """
SELECT g.* FROM reach {grants}
WHERE reach.kind <> 'everyone' AND g.granted_by <> :site AND g.id > :after
ORDER BY g.id LIMIT :limit
"""

_VOLUMES = """
SELECT DISTINCT g.resource_name FROM reach {grants} WHERE g.resource_kind = 'user_volume'
"""

_GROUPS = """
SELECT groups.* FROM reach JOIN groups
ON groups.name = reach.name AND groups.deleted_at IS NULL
  AND groups.source = CASE reach.kind WHEN 'group' THEN 'directory' WHEN 'portal_group' THEN 'portal' END
ORDER BY groups.name, groups.source
"""

_INSIDE = """
WITH RECURSIVE inside(kind, name) AS (
    SELECT 'portal_group', CAST(:group AS text)
  UNION
    SELECT CAST(m.member_kind AS text), CAST(m.member_name AS text)
    FROM inside CROSS JOIN memberships AS m
    WHERE inside.kind = 'portal_group' AND m.group_name = inside.name AND m.status = 'accepted'
)
SELECT kind, name FROM inside WHERE kind IN ('user', 'group') ORDER BY kind, name
"""


class Reach(Part):
    """Queries that follow memberships."""

    def reach(self, seeds: Iterable[Subject]) -> frozenset[Subject]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            rows = connection.execute(self._upward(_REACHED), {"seeds": _pairs(seeds)}).all()
        return frozenset(subject_of(row.kind, row.name) for row in rows)

    def edges(self, seeds: Iterable[Subject]) -> list[tuple[Subject, Subject]]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            rows = connection.execute(self._upward(_EDGES), {"seeds": _pairs(seeds)}).all()
        above = SubjectKind.PORTAL_GROUP
        return [(subject_of(r.member_kind, r.member_name), subject_of(above, r.group_name)) for r in rows]

    def reaching(
        self, seeds: Iterable[Subject], things: Sequence[Resource] | None = None
    ) -> tuple[frozenset[Subject], list[Grant]]:
        """See `ports.Store`."""
        parameters = {"seeds": _pairs(seeds)}
        if things is not None:
            parameters["things"] = json.dumps([(thing.kind, thing.name) for thing in things])
        statement = self._upward(_ALL if things is None else _ON_SOME)
        with self._database.reading() as connection:
            rows = connection.execute(statement, parameters).all()
        subjects = frozenset(subject_of(row.kind, row.name) for row in rows)
        return subjects, [grant_of(row) for row in rows if row.id is not None]

    def shares_with(self, seeds: Iterable[Subject], after: int = 0, limit: int = 100) -> list[Share]:
        """See `ports.Store`."""
        parameters = {"seeds": _pairs(seeds), "site": SITE, "after": after, "limit": limit}
        with self._database.reading() as connection:
            return [share_of(row) for row in connection.execute(self._upward(_SHARES), parameters)]

    def groups_reached(self, seeds: Iterable[Subject]) -> list[Group]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            return [
                group_of(row) for row in connection.execute(self._upward(_GROUPS), {"seeds": _pairs(seeds)})
            ]

    def inside(self, group: str) -> list[Subject]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            rows = connection.execute(text(_INSIDE), {"group": group}).all()
        return [subject_of(row.kind, row.name) for row in rows]

    def _upward(self, rest: str) -> Executable:
        return _statement(self._database.engine.dialect.name, rest)


def portal_groups_reached(connection: Connection, seeds: Iterable[Subject]) -> list[str]:
    """Names of the portal's groups among the seeds, and of those they are in; in order, since rows of theirs
    are locked as they come."""
    rows = connection.execute(_statement(connection.dialect.name, _REACHED), {"seeds": _pairs(seeds)})
    return sorted(row.name for row in rows if row.kind == SubjectKind.PORTAL_GROUP)


def volumes_reached(connection: Connection, seeds: Iterable[Subject]) -> list[str]:
    """Names of the user volumes granted to the seeds, or to groups they are in."""
    statement = _statement(connection.dialect.name, _VOLUMES)
    return list(connection.execute(statement, {"seeds": _pairs(seeds)}).scalars())


@lru_cache
def _statement(engine: str, rest: str) -> Executable:
    pairs, each = _PAIRS[engine], _EACH[engine]
    parts = {
        "seeds": pairs.format(name="seeds"),
        "things": pairs.format(name="things"),
        "memberships": each.format(table="memberships", alias="m", where=_ABOVE),
        "grants": each.format(table="grants", alias="g", where=_THEIRS),
        "grants_on_it": each.format(table="grants", alias="g", where=_ON_IT),
    }
    made = text((_UPWARD + rest).format(**parts))
    if rest in (_ALL, _ON_SOME, _SHARES):
        return made.columns(expires=Instant, created_at=Instant)
    return made.columns(created_at=Instant, deleted_at=Instant) if rest == _GROUPS else made


def _pairs(subjects: Iterable[Subject]) -> str:
    return json.dumps([(subject.kind, subject.name) for subject in subjects])
