"""What the site offers, and the grants it makes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from ..domain.access import SITE, Grant
from ..domain.catalogue import ComputeDomain, Image, Site
from ..domain.errors import Invalid
from ..domain.volumes import DataVolume, RootVolume
from .grant_rows import row_of
from .marking import mark
from .parsing import Parsed, parsed
from .part import Part
from .schema import grants, offers

_OFFERED = ("domains", "images", "root_volumes", "data_volumes")
"""Fields of a Site whose entries have a name of their own."""


class Catalogue(Part):
    """Queries on `offers` and `grants`."""

    def apply_site(self, site: Site) -> None:
        """See `ports.Store`.

        Raises Invalid when a name or grant is given twice.
        """
        offered = list(_offer_rows(site))
        granted = _grant_rows(site, self._now())
        with self._database.writing() as connection:
            connection.execute(delete(offers))
            gone = delete(grants).where(grants.c.granted_by == SITE)
            before = connection.execute(gone.returning(grants.c.resource_kind, grants.c.resource_name)).all()
            things = [(row["resource_kind"], row["resource_name"]) for row in granted]
            mark(self._database, connection, [*things, *((kind, name) for kind, name in before)], self._now())
            for table, rows in ((offers, offered), (grants, granted)):
                if rows:
                    connection.execute(insert(table), rows)

    def domains(self) -> list[ComputeDomain]:
        """See `ports.Store`."""
        return self._offered("domains", ComputeDomain)

    def images(self) -> list[Image]:
        """See `ports.Store`."""
        return self._offered("images", Image)

    def root_volumes(self) -> list[RootVolume]:
        """See `ports.Store`."""
        return self._offered("root_volumes", RootVolume)

    def data_volumes(self) -> list[DataVolume]:
        """See `ports.Store`."""
        return self._offered("data_volumes", DataVolume)

    def _offered(self, kind: str, model: type[Parsed]) -> list[Parsed]:
        wanted = select(offers.c.body).where(offers.c.kind == kind).order_by(offers.c.position)
        with self._database.reading() as connection:
            return [parsed(model, body) for body in connection.execute(wanted).scalars()]


def _offer_rows(site: Site) -> Iterator[dict[str, Any]]:
    for kind in _OFFERED:
        entries = getattr(site, kind)
        names = [entry.name for entry in entries]
        for position, entry in enumerate(entries):
            if names.index(entry.name) != position:
                raise Invalid({kind: f"{entry.name} is there twice; remove or rename one."})
            yield {"kind": kind, "name": entry.name, "position": position, "body": entry.model_dump_json()}


def _grant_rows(site: Site, now: datetime) -> list[dict[str, Any]]:
    made = [grant.model_copy(update={"granted_by": SITE}) for grant in dict.fromkeys(site.grants)]
    rows = {(grant.subject, grant.resource, grant.action): row_of(grant) for grant in made}
    if len(rows) < len(made):
        twice = next(g for i, g in enumerate(made) if any(_same(g, h) for h in made[:i]))
        words = (
            f"{twice.action} on {twice.resource} to {twice.subject} is there twice, with two ends; keep one."
        )
        raise Invalid({"grants": words})
    return [row | {"created_at": now} for row in rows.values()]


def _same(one: Grant, other: Grant) -> bool:
    return (one.subject, one.resource, one.action) == (other.subject, other.resource, other.action)
