"""What a change of the site takes from under unfinished jobs, volumes and people's grants. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from .access import Resource, ResourceKind
from .catalogue import NAMED, Site
from .jobs import JobSpec

Pair = tuple[str, str]


def gone(old: Site, new: Site) -> list[Resource]:
    """The things that are no longer there."""
    return [
        Resource(kind=kind, name=entry.name)
        for field, kind in NAMED.items()
        for entry in getattr(old, field)
        if entry.name not in {one.name for one in getattr(new, field)}
    ]


def takes(old: Site, new: Site) -> bool:
    """Does `new` offer less than `old`, so that jobs are worth a look?"""
    return bool(gone(old, new)) or bool(_pairs(old) - _pairs(new))


def stranded(old: Site, new: Site, live: Iterable[JobSpec]) -> dict[str, int]:
    """How many of the `live` jobs lose what they were accepted with, by the thing they lose."""
    lost, offered, offers = set(gone(old, new)), _pairs(old), _pairs(new)
    found: Counter[str] = Counter()
    for spec in live:
        found.update({str(thing) for thing in _named(spec) & lost})
        if not _named(spec) & lost:
            pairs = {(spec.domain, image) for image in spec.images}
            found.update(f"image {image} in domain {domain}" for domain, image in pairs & (offered - offers))
    return dict(sorted(found.items()))


def sentences(
    stranded_jobs: Mapping[str, int], volumes: Mapping[str, int], grants: Mapping[Resource, int]
) -> list[str]:
    """The same in words. volumes: users' by root volume that goes; grants: people's by thing that goes."""
    found = [
        f"{_number(count, 'unfinished job')} {'needs' if count == 1 else 'need'} {thing}: "
        "those that have not started will be refused at their start"
        for thing, count in stranded_jobs.items()
    ]
    found += [
        f"{_number(count, 'user volume')} in root volume {root} can be mounted no longer; their files stay"
        for root, count in volumes.items()
    ]
    return found + [
        f"{_number(count, 'grant')} that people made on {thing} will mean nothing until it is back"
        for thing, count in grants.items()
    ]


def _pairs(site: Site) -> set[Pair]:
    return {(domain.name, image) for domain in site.domains for image in domain.images}


def _named(spec: JobSpec) -> set[Resource]:
    volumes = [mount.volume for mount in spec.mounts] + [spec.results_volume]
    roots = {volume.partition("/")[0] for volume in volumes if "/" in volume}
    data = {volume for volume in volumes if "/" not in volume}
    named = {(ResourceKind.DOMAIN, spec.domain)}
    named |= {(ResourceKind.IMAGE, image) for image in spec.images}
    named |= {(ResourceKind.ROOT_VOLUME, name) for name in roots}
    named |= {(ResourceKind.DATA_VOLUME, name) for name in data}
    return {Resource(kind=kind, name=name) for kind, name in named}


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
