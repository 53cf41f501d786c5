"""Lists of jobs, by key and never by count: a page costs the same wherever in a history it stands.

First the ids, from indexes alone; then the rows of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, Subquery, func, select, union_all

from ..domain.jobs import Job
from ..domain.listing import ALL, LATE, LONGEST_LOOK, LOOK, NEWEST, Found, Place, Sought
from .job_rows import JOB, job_of
from .part import Part
from .schema import jobs

_JOBS = select(*JOB).order_by(jobs.c.id.desc())


class Listing(Part):
    """The one query that people page through."""

    def jobs(
        self, sought: Sought = ALL, place: Place = NEWEST, *, limit: int = 50, look: int = LOOK
    ) -> Found:
        """See `ports.Store`."""
        look = max(1, min(look, LONGEST_LOOK))
        with self._database.reading() as connection:
            if sought.looked_through:
                ids, rest = _looked_through(connection, sought, place, limit, look)
            else:
                ids, rest = _by_index(connection, sought, place, limit), None
            if len(ids) > limit:
                ids, rest = ids[:limit], ids[limit - 1]
            found = _read(connection, ids)
        if place.after_id is not None:
            return Found(found, place.after_id + 1, rest)
        return Found(found, rest, None if place.before_id is None else place.before_id - 1)


def _read(connection: Connection, ids: list[int]) -> list[Job]:
    if not ids:
        return []
    return [job_of(row) for row in connection.execute(_JOBS.where(jobs.c.id.in_(ids)))]


def _by_index(connection: Connection, sought: Sought, place: Place, limit: int) -> list[int]:
    """One more than `limit` where there are more."""
    tests = [*_owned(sought), *_from(place)]
    if sought.states is None:
        return _first(connection, select(jobs.c.id).where(*tests), jobs.c.id, place, limit)
    # State by state, from each what a page may need, in the order of its index: for IN all would be sorted.
    each = [select(jobs.c.id).where(*tests, jobs.c.state == state) for state in sought.states]
    if not each:
        return []
    firsts = (one.order_by(_onward(jobs.c.id, place)).limit(limit + 1).subquery() for one in each)
    merged = union_all(*(select(first.c.id) for first in firsts)).subquery()
    return _first(connection, select(merged.c.id), merged.c.id, place, limit)


def _first(
    connection: Connection, wanted: Select[int], key: ColumnElement[int], place: Place, limit: int
) -> list[int]:
    return list(connection.execute(wanted.order_by(_onward(key, place)).limit(limit + 1)).scalars())


def _looked_through(
    connection: Connection, sought: Sought, place: Place, limit: int, look: int
) -> tuple[list[int], int | None]:
    """Ids among the next `look` jobs, and from where to go on."""
    columns = jobs.c
    bounds = [*_owned(sought), *_from(place), *_time_bounds(sought)]
    window = select(columns.id, columns.state, columns.domain, columns.name, columns.accepted_at)
    looked = window.where(*bounds).order_by(_onward(columns.id, place)).limit(look).subquery()
    wanted = select(looked.c.id).where(*_tests(sought, looked))
    ids = _first(connection, wanted, looked.c.id, place, limit)
    if len(ids) > limit:
        return ids, None
    farthest = func.min(looked.c.id) if place.after_id is None else func.max(looked.c.id)
    last, count = connection.execute(select(farthest, func.count()).select_from(looked)).one()
    return ids, last if count == look else None


def _onward(key: ColumnElement[int], place: Place) -> ColumnElement[int]:
    return key.desc() if place.after_id is None else key.asc()


def _owned(sought: Sought) -> Iterator[ColumnElement[bool]]:
    if sought.owner is not None:
        yield jobs.c.owner == sought.owner


def _from(place: Place) -> Iterator[ColumnElement[bool]]:
    if place.before_id is not None:
        yield jobs.c.id < place.before_id
    if place.after_id is not None:
        yield jobs.c.id > place.after_id


def _tests(sought: Sought, looked: Subquery) -> Iterator[ColumnElement[bool]]:
    columns = looked.c
    if sought.states is not None:
        yield columns.state.in_(sought.states)
    if sought.domain is not None:
        yield columns.domain == sought.domain
    if sought.name is not None:
        yield columns.name.icontains(sought.name, autoescape=True)
    if sought.after is not None:
        yield columns.accepted_at >= sought.after
    if sought.before is not None:
        yield columns.accepted_at < sought.before


def _time_bounds(sought: Sought) -> Iterator[ColumnElement[bool]]:
    """Ids beyond which no job of these times is: looking begins there, not at today."""
    if sought.owner is None:
        return
    at, columns = jobs.c.accepted_at, jobs.c
    if sought.before is not None and (late := _moved(sought.before, 1)):
        later = _id(sought, at >= late).order_by(at, columns.id)
        yield columns.id <= func.coalesce(_one(later), 2**63 - 1)
    if sought.after is not None and (early := _moved(sought.after, -1)):
        earlier = _id(sought, at < early).order_by(at.desc(), columns.id.desc())
        yield columns.id >= func.coalesce(_one(earlier), 0)


def _id(sought: Sought, test: ColumnElement[bool]) -> Select[int]:
    return select(jobs.c.id).where(jobs.c.owner == sought.owner, test)


def _one(wanted: Select[int]) -> ScalarSelect[int]:
    return wanted.limit(1).correlate(None).scalar_subquery()


def _moved(moment: datetime, sign: int) -> datetime | None:
    """None at the ends of the calendar, where nothing is beyond."""
    try:
        return moment + sign * LATE
    except OverflowError:
        return None
