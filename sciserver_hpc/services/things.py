"""Things that grants may be on: are they there, whose are they, who may know of them, who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from ..domain.access import (
    GIVEN_BY,
    OF_THE_SITE,
    THE_SITE,
    Acting,
    Action,
    Decision,
    Resource,
    ResourceKind,
    decide,
    own_subjects,
)
from ..domain.archive import ArchivedJob
from ..domain.errors import NotFound
from ..domain.groups import Group, portal_group
from ..domain.jobs import Job, Kind
from ..domain.people import Person
from ..domain.sharing import Giver
from ..domain.volumes import UserVolume
from ..ports import Clock, Store
from .known import Known
from .site import Site


@dataclass(frozen=True)
class Thing:
    """A thing grants may be on. owner: "" for what is the site's."""

    resource: Resource
    owner: str


class Things:
    """Looks them up."""

    def __init__(self, store: Store, clock: Clock, site: Site, known: Known) -> None:
        self._store = store
        self._clock = clock
        self._site = site
        self._known = known

    def giver(self, person: Person, resource: Resource, thing: Thing | None = None) -> Giver:
        """The person with what they hold on the thing, now."""
        asked = [resource, THE_SITE] if resource.kind in GIVEN_BY else [resource]
        subjects, grants = self._store.reaching(own_subjects(person), asked)
        found = thing or self.find(resource)
        owner = found.owner if found else None
        return Giver(Acting(person, subjects), resource, tuple(grants), owner)

    def decide(self, giver: Giver, action: Action) -> Decision:
        """May the person do `action` to the thing now?"""
        return decide(
            giver.acting, action, giver.resource, giver.grants, self._clock.now(), giver.owner or None
        )

    def known(self, person: Person, resource: Resource) -> Thing:
        """A thing the person may know of. Raises NotFound."""
        thing = self.find(resource)
        if thing is None or not self.visible(person, thing):
            raise NotFound(f"There is no {resource} that you may know of.")
        return thing

    def visible(self, person: Person, thing: Thing) -> bool:
        """The site's things are no secret; others' only to those with a live grant on them."""
        if thing.resource.kind is ResourceKind.GROUP:
            return self._known.sees(person, portal_group(thing.resource.name))
        if thing.resource.kind is ResourceKind.SERVICE:
            account = self._store.service_account(thing.resource.name)
            return account is not None and (self._known.manages(person, account) or person.admin)
        if thing.resource.kind in OF_THE_SITE or thing.owner == person.username:
            return True
        now = self._clock.now()
        _, grants = self._store.reaching(own_subjects(person), [thing.resource])
        return any(grant.lives(now) for grant in grants)

    def find(self, resource: Resource) -> Thing | None:
        """The thing, whoever may know of it."""
        if resource.kind is ResourceKind.SITE:
            return Thing(resource, "") if resource == THE_SITE else None
        name, site = resource.name, self._site.snapshot()
        offered = {
            ResourceKind.DOMAIN: site.domains,
            ResourceKind.IMAGE: site.images,
            ResourceKind.APP: site.apps,
            ResourceKind.ROOT_VOLUME: site.roots,
            ResourceKind.DATA_VOLUME: site.data,
        }.get(resource.kind)
        if offered is not None:
            return Thing(resource, "") if name in offered else None
        owner = self._owner(resource)
        return Thing(resource, owner) if owner is not None else None

    def _owner(self, resource: Resource) -> str | None:
        """Of a thing that has one; None where there is no such thing."""
        name = resource.name
        found: UserVolume | Job | ArchivedJob | Group | None = None
        if resource.kind is ResourceKind.USER_VOLUME:
            parts = name.split("/")
            found = self._store.user_volume(*parts) if len(parts) == 3 else None
        elif resource.kind in (ResourceKind.JOB, ResourceKind.SESSION):
            found = self._job(resource) or self._archived(resource)
        elif resource.kind is ResourceKind.GROUP:
            found = self._store.group(name)
        elif resource.kind is ResourceKind.SERVICE:
            account = self._store.service_account(name)
            return account.person if account else None
        return found.owner if found else None

    def _job(self, resource: Resource) -> Job | None:
        """A job, or a session under its job's id."""
        number = _number(resource.name)
        return _fitting(resource, self._store.job(number) if number else None)

    def _archived(self, resource: Resource) -> ArchivedJob | None:
        """The same of one in the archive: it has an owner still, and grants."""
        number = _number(resource.name)
        return _fitting(resource, self._store.archived_by_id([number]).get(number) if number else None)


Run = TypeVar("Run", Job, ArchivedJob)


def _number(name: str) -> int | None:
    fits = name.isascii() and name.isdecimal() and len(name) < 19 and str(int(name)) == name
    return int(name) if fits else None


def _fitting(resource: Resource, job: Run | None) -> Run | None:
    wrong = resource.kind is ResourceKind.SESSION and job is not None and job.kind is not Kind.SESSION
    return None if wrong else job
