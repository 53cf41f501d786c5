"""The audit trail: lines are added and read, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, insert, or_, select

from ..domain.access import Resource, ResourceKind, asking
from ..domain.audit import BROKER, Entry, Outcome, Sieve
from ..domain.names import SERVICE_PREFIX
from .grant_rows import resource_of, subject_of
from .part import Part
from .schema import audit


class Audit(Part):
    """Queries on `audit`."""

    def record(self, entries: Sequence[Entry]) -> None:
        """See `ports.Store`."""
        rows = [_row(entry) for entry in entries]
        if rows:
            with self._database.writing() as connection:
                connection.execute(insert(audit), rows)

    def refused_since(self, entry: Entry, since: datetime) -> bool:
        """See `ports.Store`."""
        row, same = _row(entry), ("who", "act", "on_kind", "on_name", "outcome", "reason")
        before = exists().where(audit.c.at >= since, *(audit.c[name] == row[name] for name in same))
        with self._database.reading() as connection:
            return bool(connection.execute(select(before)).scalar_one())

    def audit(
        self,
        *,
        on: Resource | None = None,
        about: str | None = None,
        before: int | None = None,
        limit: int = 100,
        sieve: Sieve | None = None,
    ) -> list[Entry]:
        """See `ports.Store`."""
        columns = audit.c
        wanted = select(audit).where(*_passing(sieve or Sieve()))
        if on is not None:
            this = (columns.on_kind == on.kind) & (columns.on_name == on.name)
            # What a program did belongs to what was done with it.
            did = columns.who == SERVICE_PREFIX + on.name
            wanted = wanted.where(or_(this, did) if on.kind is ResourceKind.SERVICE else this)
        if about is not None:
            done = columns.outcome == Outcome.DONE
            them = asking(about)
            theirs = (columns.whom_kind == them.kind) & (columns.whom_name == them.name) & done
            wanted = wanted.where(or_(columns.who == about, columns.owner == about, theirs))
        if before is not None:
            wanted = wanted.where(columns.id < before)
        with self._database.reading() as connection:
            return [
                _entry(row) for row in connection.execute(wanted.order_by(columns.id.desc()).limit(limit))
            ]


def _passing(sieve: Sieve) -> list[ColumnElement[bool]]:
    columns = audit.c
    wanted = {
        "who": columns.who.__eq__,
        "act": columns.act.__eq__,
        "since": columns.at.__ge__,
        "until": columns.at.__lt__,
    }
    given = sieve.model_dump(exclude_none=True, exclude={"members"})
    nameless = [] if sieve.members else [columns.on_kind != ResourceKind.GROUP, columns.who != BROKER]
    return [*nameless, *(wanted[name](value) for name, value in given.items())]


def _row(entry: Entry) -> dict[str, Any]:
    kept = entry.model_dump(
        include={"at", "who", "act", "outcome", "detail", "reason", "request_id", "owner"}
    )
    return kept | {
        "on_kind": entry.on.kind,
        "on_name": entry.on.name,
        "whom_kind": entry.whom.kind if entry.whom else None,
        "whom_name": entry.whom.name if entry.whom else None,
    }


def _entry(row: Any) -> Entry:
    columns = dict(row._mapping)
    kind, name = columns.pop("whom_kind"), columns.pop("whom_name")
    on = resource_of(columns.pop("on_kind"), columns.pop("on_name"))
    return Entry(**columns, on=on, whom=None if kind is None else subject_of(kind, name))
