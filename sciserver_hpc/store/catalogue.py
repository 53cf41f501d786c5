"""What the site offers, and the grants it makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ..domain.access import SITE
from ..domain.catalogue import NAMED, ComputeDomain, Image, Site, check
from ..domain.limits import Limit
from ..domain.model import Model
from ..domain.volumes import DataVolume, RootVolume
from .grant_rows import grant_of, row_of
from .jobs import chunks
from .marking import mark
from .parsing import Parsed, parsed
from .part import Part
from .schema import GRANT_KEY, grants, offers


class Catalogue(Part):
    """Queries on `offers` and `grants`."""

    def apply_site(self, site: Site) -> None:
        """See `ports.Store`."""
        check(site)
        offered = list(_offer_rows(site))
        with self._database.writing() as connection:
            connection.execute(delete(offers))
            if offered:
                connection.execute(insert(offers), offered)
            self._grant(connection, site)

    def _grant(self, connection: Connection, site: Site) -> None:
        """The site's own grants and no others; one that stays keeps its id and its age."""
        rows = [row_of(grant.model_copy(update={"granted_by": SITE})) for grant in site.grants]
        wanted = {_key(row): row for row in rows}
        there = connection.execute(select(grants).where(grants.c.granted_by == SITE)).mappings().all()
        changed = {_stand(row) for row in rows} ^ {_stand(row) for row in there}
        mark(self._database, connection, {thing for thing, *_ in changed}, self._now())
        for gone in chunks([row["id"] for row in there if _key(row) not in wanted]):
            connection.execute(delete(grants).where(grants.c.id.in_(gone)))
        for row in there:
            if (new := wanted.pop(_key(row), None)) and new["expires"] != row["expires"]:
                same = update(grants).where(grants.c.id == row["id"])
                connection.execute(same.values(expires=new["expires"]))
        if wanted:
            now = {"created_at": self._now()}
            connection.execute(insert(grants), [row | now for row in wanted.values()])

    def site(self) -> Site:
        """See `ports.Store`."""
        own = select(grants).where(grants.c.granted_by == SITE).order_by(grants.c.id)
        with self._database.reading() as connection:
            given = [grant_of(row) for row in connection.execute(own)]
        return Site(
            domains=tuple(self.domains()),
            images=tuple(self.images()),
            root_volumes=tuple(self.root_volumes()),
            data_volumes=tuple(self.data_volumes()),
            grants=tuple(given),
            limits=tuple(self.limits()),
        )

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

    def limits(self) -> list[Limit]:
        """See `ports.Store`."""
        return self._offered("limits", Limit)

    def _offered(self, kind: str, model: type[Parsed]) -> list[Parsed]:
        wanted = select(offers.c.body).where(offers.c.kind == kind).order_by(offers.c.position)
        with self._database.reading() as connection:
            return [parsed(model, body) for body in connection.execute(wanted).scalars()]


def _offer_rows(site: Site) -> Iterator[dict[str, Any]]:
    for kind in NAMED:
        for position, entry in enumerate(getattr(site, kind)):
            yield _row(kind, entry.name, position, entry)
    for position, limit in enumerate(site.limits):
        yield _row("limits", str(position), position, limit)


def _row(kind: str, name: str, position: int, entry: Model) -> dict[str, Any]:
    return {"kind": kind, "name": name, "position": position, "body": entry.model_dump_json()}


def _key(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in GRANT_KEY)


def _stand(row: Mapping[Any, Any]) -> tuple[tuple[str, str], Any, Any]:
    """On what a grant is, and all that a filesystem may have to follow in it."""
    return (row["resource_kind"], row["resource_name"]), _key(row), row["expires"]
