"""What a site offers: compute domains and images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from pydantic import Field

from .access import THE_SITE, Grant, Resource, ResourceKind, empowered
from .errors import Invalid
from .limits import Limit
from .model import Model
from .names import Slug
from .resources import Limits, Resources
from .volumes import DataVolume, RootVolume

T = TypeVar("T")

TELL = "; tell an administrator"
"""Ends what is told to people who cannot mend it."""


class ComputeDomain(Model):
    """Where work may run: a cluster's partition with account, QOS, limits, images and mountable root
    volumes."""

    name: Slug
    description: str = ""
    cluster: Slug = "default"
    partition: Slug
    account: Slug | None = None
    qos: Slug | None = None
    interactive: bool = False
    batch: bool = True
    images: tuple[Slug, ...] = ()
    """Names of images that may run here."""

    root_volumes: tuple[Slug, ...] = ()
    data_volumes: tuple[Slug, ...] = ()
    limits: Limits = Limits()
    defaults: Resources = Resources()
    extension_s: int | None = Field(default=None, ge=60, le=30 * 86_400)
    """By so many seconds in all a session may be extended; Slurm is asked for them from the start. None: it
    may not."""


class ImageNumbers(Model):
    """What tells an image's file from another: `sha256` is its digest; a file that differs is refused."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}\z")
    size: int = Field(ge=0)
    """Bytes."""

    mtime_ns: int
    """The file's modification time when its digest was taken: while size and time stand, the digest
    stands."""


class ImageWords(Model):
    """What people say of an image."""

    name: Slug
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}\z")
    path: str = Field(pattern=r"^/")
    title: str = ""
    description: str = ""
    kernels: tuple[str, ...] = ()
    """Jupyter kernel names for notebook jobs (`python3`, `ir`, `octave`)."""

    apps: tuple[str, ...] = ()


class ImageDraft(ImageWords):
    """An image as it is entered: size, time and digest are taken from its file.

    sha256: the digest the file must have; "": that of the entry there is with this path, else any.
    """

    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?\z")


class Image(ImageNumbers, ImageWords):
    """A SIF file of the catalogue."""


class Site(Model):
    """The declarative catalogue of a site, applied to the database as a whole."""

    domains: tuple[ComputeDomain, ...] = ()
    images: tuple[Image, ...] = ()
    root_volumes: tuple[RootVolume, ...] = ()
    data_volumes: tuple[DataVolume, ...] = ()
    grants: tuple[Grant, ...] = ()
    limits: tuple[Limit, ...] = ()


NAMED = {
    "domains": ResourceKind.DOMAIN,
    "images": ResourceKind.IMAGE,
    "root_volumes": ResourceKind.ROOT_VOLUME,
    "data_volumes": ResourceKind.DATA_VOLUME,
}
"""Fields of a Site whose entries have a name of their own, and what these are."""


def check(site: Site) -> None:
    """Raise Invalid when something is there twice."""
    for field in NAMED:
        for name in _twice(entry.name for entry in getattr(site, field)):
            raise Invalid({field: f"{name} is there twice; remove or rename one."})
    for subject, _ in _twice((limit.subject, limit.domain) for limit in site.limits):
        raise Invalid({"limits": f"there are two for {subject}; write them as one."})
    ends = dict.fromkeys((one.subject, one.action, one.resource, one.expires) for one in site.grants)
    for subject, action, resource in _twice(end[:3] for end in ends):
        words = f"{action} on {resource} to {subject} is there twice, with two ends; keep one."
        raise Invalid({"grants": words})
    for one in site.grants:
        if one.resource.kind is ResourceKind.SITE and not empowered(one.subject):
            words = "powers over the site are for people and groups of the directory"
            raise Invalid({"grants": f"{one.action} to {one.subject}: {words}."})


def loose(site: Site) -> list[str]:
    """What the site names and does not hold, a sentence each: most likely slips of the pen."""
    there = {kind: {entry.name for entry in getattr(site, field)} for field, kind in NAMED.items()}
    there[ResourceKind.SITE] = {THE_SITE.name}
    named = [
        (f"domain {domain.name}", NAMED[field], name)
        for domain in site.domains
        for field in ("images", "root_volumes", "data_volumes")
        for name in getattr(domain, field)
    ]
    named += [(f"a grant to {one.subject}", one.resource.kind, one.resource.name) for one in site.grants]
    named += [
        (f"a limit of {one.subject}", ResourceKind.DOMAIN, one.domain) for one in site.limits if one.domain
    ]
    return [
        f"{who} names {Resource(kind=kind, name=name)}, which is not there"
        for who, kind, name in dict.fromkeys(named)
        if kind in there and name not in there[kind]
    ]


def _twice(things: Iterable[T]) -> list[T]:
    return [thing for thing, number in Counter(things).items() if number > 1]
