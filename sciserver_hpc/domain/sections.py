"""The parts of a site's declaration, and one entry of one put in or taken out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from pydantic import ValidationError

from .access import Resource, ResourceKind, Subject
from .administration import Power
from .catalogue import ComputeDomain, Image, ImageDraft, Site
from .errors import Conflict, Invalid, NotFound
from .limits import Limit
from .model import Model
from .notation import named
from .notation import subject as read_subject
from .volumes import DataVolume, RootVolume

Entry = ComputeDomain | Image | RootVolume | DataVolume | Limit
ALL_DOMAINS = "*"
"""After the @ of a limit's key."""


class Section(StrEnum):
    """What administrators call the parts."""

    DOMAINS = "domains"
    IMAGES = "images"
    VOLUMES = "volumes"
    ROOTS = "roots"
    LIMITS = "limits"


@dataclass(frozen=True)
class Part:
    """field: of a Site; form: the model of what is entered; noun: for one entry; kind: of thing."""

    field: str
    model: type[Entry]
    form: type[Model]
    power: Power
    noun: str
    kind: ResourceKind


PARTS: Mapping[Section, Part] = {
    Section.DOMAINS: Part(
        "domains", ComputeDomain, ComputeDomain, Power.MANAGE_DOMAINS, "domain", ResourceKind.DOMAIN
    ),
    Section.IMAGES: Part("images", Image, ImageDraft, Power.MANAGE_IMAGES, "image", ResourceKind.IMAGE),
    Section.VOLUMES: Part(
        "data_volumes",
        DataVolume,
        DataVolume,
        Power.MANAGE_VOLUMES,
        "data volume",
        ResourceKind.DATA_VOLUME,
    ),
    Section.ROOTS: Part(
        "root_volumes",
        RootVolume,
        RootVolume,
        Power.MANAGE_VOLUMES,
        "root volume",
        ResourceKind.ROOT_VOLUME,
    ),
    Section.LIMITS: Part("limits", Limit, Limit, Power.MANAGE_LIMITS, "limit", ResourceKind.DOMAIN),
}
_OF_MODEL = {part.model: section for section, part in PARTS.items()}


def entered(entry: Entry) -> Model:
    """An entry as it is entered: of an image without what is taken from its file, the digest too."""
    if isinstance(entry, Image):
        return ImageDraft(**entry.model_dump(include=set(ImageDraft.model_fields) - {"sha256"}))
    return entry


def section_of(entry: Entry) -> Section:
    """Where it stands."""
    return _OF_MODEL[type(entry)]


def entries(site: Site, section: Section) -> tuple[Entry, ...]:
    """The entries of one part, in the site's order."""
    return cast(tuple[Entry, ...], getattr(site, PARTS[section].field))


def key(entry: Entry) -> str:
    """What names an entry in its part: its name; of a limit `everyone`, `group:survey@gpu`."""
    return _limit_key(entry.subject, entry.domain) if isinstance(entry, Limit) else entry.name


def canonical(section: Section, name: str) -> str:
    """A key as `key` writes it: `user:alice@*` is `alice`. What is no key stays as it is."""
    if section is not Section.LIMITS:
        return name
    try:
        found = identity(section, name)
    except Invalid:
        return name
    return _limit_key(Subject.model_validate(found["subject"]), found["domain"])


def identity(section: Section, name: str) -> dict[str, Any]:
    """The fields that `name`, a key, stands for. Raises Invalid."""
    if section is not Section.LIMITS:
        return {"name": name}
    who, at, domain = name.rpartition("@")
    try:
        whom = read_subject(who if at else name)
    except (ValueError, ValidationError) as error:
        raise Invalid({"subject": f"{error}."}) from error
    return {"subject": whom.model_dump(), "domain": domain if at and domain != ALL_DOMAINS else None}


def find(site: Site, section: Section, name: str) -> Entry:
    """One entry by its key. Raises NotFound."""
    wanted = canonical(section, name)
    for entry in entries(site, section):
        if key(entry) == wanted:
            return entry
    raise NotFound(f"There is no {PARTS[section].noun} {name[:80]}.")


@dataclass(frozen=True)
class Put:
    """One entry as it shall stand. new: it must not be there yet."""

    entry: Entry
    new: bool = False

    @property
    def section(self) -> Section:
        """Where."""
        return section_of(self.entry)

    def made(self, site: Site) -> Site:
        """The site with it, in the place of the one there was. Raises Conflict."""
        name, there = key(self.entry), entries(site, self.section)
        if not any(key(one) == name for one in there):
            return _with(site, self.section, (*there, self.entry))
        if self.new:
            raise Conflict(f"There is a {PARTS[self.section].noun} {name} already; change that one.")
        return _with(site, self.section, tuple(self.entry if key(one) == name else one for one in there))


@dataclass(frozen=True)
class Remove:
    """An entry that shall go, with all that names it: in domains, the limits there, the site's grants."""

    section: Section
    name: str

    def made(self, site: Site) -> Site:
        """The site without it. Raises NotFound."""
        gone = find(site, self.section, self.name)
        left = _with(site, self.section, tuple(one for one in entries(site, self.section) if one is not gone))
        if self.section is Section.LIMITS:
            return left
        thing = Resource(kind=PARTS[self.section].kind, name=self.name)
        grants = tuple(grant for grant in left.grants if grant.resource != thing)
        left = left.model_copy(update={"grants": grants})
        if self.section is Section.DOMAINS:
            limits = tuple(limit for limit in left.limits if limit.domain != self.name)
            return left.model_copy(update={"limits": limits})
        return _unoffered(left, self.section, self.name)


@dataclass(frozen=True)
class Disable:
    """An entry that stays, and is offered to nobody: a domain takes no work, no domain has the rest."""

    section: Section
    name: str

    def made(self, site: Site) -> Site:
        """The site so. Raises NotFound, Conflict."""
        entry = find(site, self.section, self.name)
        if isinstance(entry, ComputeDomain):
            return Put(entry.model_copy(update={"interactive": False, "batch": False})).made(site)
        if isinstance(entry, Limit):
            raise Conflict("A limit is changed or removed, not disabled.")
        return _unoffered(site, self.section, self.name)


Edit = Put | Remove | Disable


def _limit_key(subject: Subject, domain: str | None) -> str:
    who = named(subject)
    return f"{who}@{domain or ALL_DOMAINS}" if domain or "@" in who else who


def _unoffered(site: Site, section: Section, name: str) -> Site:
    """No domain names it."""
    field = PARTS[section].field
    domains = tuple(
        domain.model_copy(update={field: tuple(one for one in getattr(domain, field) if one != name)})
        for domain in site.domains
    )
    return site.model_copy(update={"domains": domains})


def _with(site: Site, section: Section, entries_: tuple[Entry, ...]) -> Site:
    return site.model_copy(update={PARTS[section].field: entries_})
