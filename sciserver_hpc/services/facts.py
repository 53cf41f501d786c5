"""What deciding about a request needs to know, gathered once and then only read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from ..domain.access import Action, Decision
from ..domain.archive import ArchivedJob
from ..domain.catalogue import Image
from ..domain.jobs import Job, JobRequest
from ..domain.limits import Allowance
from ..domain.people import Person
from ..ports import Clock, Store
from .homes import Homes
from .recent import Recent
from .site import Rights, Site, Snapshot

ImageCheck = Callable[[Image], str]
"""What is wrong with an image's file, in a sentence; "" when it is the catalogued one."""


@dataclass(frozen=True)
class Facts:
    """All that deciding needs to know."""

    site: Snapshot
    rights: Rights
    volumes: frozenset[str]
    """Addresses of user volumes that exist: the asker's, and those others the request names."""

    defaults: frozenset[str]
    """Addresses of the asker's default volumes, which are made on need."""

    jobs: frozenset[int]
    """Which of the jobs it depends on are the asker's."""

    image_problem: ImageCheck

    @cached_property
    def may(self) -> Callable[[Action, str, str], Decision]:
        """`rights.may`, each question answered once: many requests ask the same."""
        return cache(self.rights.may)

    @property
    def known(self) -> frozenset[str]:
        """Addresses that a request may name."""
        return self.volumes | self.defaults

    def knows(self, address: str) -> bool:
        """Is this user volume there, or will it be?"""
        return address in self.volumes or address in self.defaults


class Gatherer:
    """Gathers facts from the store."""

    def __init__(self, store: Store, clock: Clock, site: Site, image_check: ImageCheck) -> None:
        self._store = store
        self._site = site
        self._image_check = image_check
        self._own_volumes: Recent[frozenset[str]] = Recent(clock)

    def gather(self, person: Person, requests: Sequence[JobRequest]) -> Facts:
        """All facts about `requests` of `person`."""
        site = self._site.snapshot()
        return Facts(
            site=site,
            rights=self._site.rights(person),
            volumes=self._volumes(person, requests),
            defaults=Homes.defaults(person, site.roots.values()),
            jobs=self._jobs(person, requests),
            image_problem=self._image_check,
        )

    def allowances(self, person: Person) -> list[Allowance]:
        """How much the person may have at once, and has now."""
        return self._site.allowances(person)

    def _volumes(self, person: Person, requests: Sequence[JobRequest]) -> frozenset[str]:
        mine = self._own_volumes.get(
            person.username, lambda: frozenset(v.ref for v in self._store.user_volumes(person.username))
        )
        named = {mount.volume for request in requests for mount in request.volumes}
        named |= {request.results.volume for request in requests if request.results}
        others = [tuple(name.split("/")) for name in sorted(named - mine) if name.count("/") == 2]
        found = self._store.user_volumes_at(others) if others else []
        return mine | {volume.ref for volume in found}

    def _jobs(self, person: Person, requests: Sequence[JobRequest]) -> frozenset[int]:
        wanted = sorted({dependency.job for request in requests for dependency in request.dependencies})
        jobs = self._store.jobs_by_id(wanted) if wanted else {}
        over = self._store.archived_by_id([one for one in wanted if one not in jobs])
        named: dict[int, Job | ArchivedJob] = {**over, **jobs}
        return frozenset(job_id for job_id, job in named.items() if job.owner == person.username)
