"""What the site offers, and who was granted what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, tuple_

from ..domain.access import Action, Grant, Resource, Subject
from ..domain.catalogue import ComputeDomain, Image, Site
from ..domain.errors import Invalid
from ..domain.volumes import DataVolume, RootVolume
from .parsing import Parsed, parsed
from .part import Part
from .schema import grants, offers

_SITE = "site"
_OFFERED = ("domains", "images", "root_volumes", "data_volumes")
"""Fields of a Site whose entries have a name of their own."""


class Catalogue(Part):
    """Queries on `offers` and `grants`."""

    def apply_site(self, site: Site) -> None:
        """See `ports.Store`.

        Raises Invalid when a name is given twice.
        """
        offered = list(_offer_rows(site))
        granted = [_grant_row(grant) for grant in dict.fromkeys(site.grants)]
        with self._database.writing() as connection:
            connection.execute(delete(offers))
            connection.execute(delete(grants).where(grants.c.granted_by == _SITE))
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

    def grants(self, subjects: Sequence[tuple[str, str]]) -> list[Grant]:
        """See `ports.Store`."""
        theirs = tuple_(grants.c.subject_kind, grants.c.subject_name).in_(subjects)
        with self._database.reading() as connection:
            found = connection.execute(select(grants).where(theirs).order_by(grants.c.id)).all()
        return [_grant(row) for row in found]


def _offer_rows(site: Site) -> Iterator[dict[str, Any]]:
    for kind in _OFFERED:
        entries = getattr(site, kind)
        names = [entry.name for entry in entries]
        for position, entry in enumerate(entries):
            if names.index(entry.name) != position:
                raise Invalid({kind: f"{entry.name} is there twice; remove or rename one."})
            yield {"kind": kind, "name": entry.name, "position": position, "body": entry.model_dump_json()}


def _grant_row(grant: Grant) -> dict[str, Any]:
    return {
        "subject_kind": grant.subject.kind,
        "subject_name": grant.subject.name,
        "action": grant.action,
        "resource_kind": grant.resource.kind,
        "resource_name": grant.resource.name,
        "granted_by": _SITE,
        "expires": grant.expires,
    }


def _grant(row: Any) -> Grant:
    return Grant(
        subject=Subject(kind=row.subject_kind, name=row.subject_name),
        action=Action(row.action),
        resource=Resource(kind=row.resource_kind, name=row.resource_name),
        granted_by=row.granted_by,
        expires=row.expires,
    )
