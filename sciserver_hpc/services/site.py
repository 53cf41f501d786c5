"""What the site offers, as one snapshot, and what a person may do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from ..domain.access import Acting, Action, Decision, Grant, Resource, Subject, decide, own_subjects
from ..domain.apps import App
from ..domain.catalogue import ComputeDomain, Image
from ..domain.gpu_hours import by_domain, month_of, renewal
from ..domain.limits import Allowance, Limit, Month, allowances, monthly
from ..domain.people import Person
from ..domain.states import ACTIVE
from ..domain.volumes import DataVolume, RootVolume
from ..ports import Clock, Store
from .recent import Recent


@dataclass(frozen=True)
class Snapshot:
    """The catalogue by name, in the site's order."""

    domains: Mapping[str, ComputeDomain]
    images: Mapping[str, Image]
    roots: Mapping[str, RootVolume]
    data: Mapping[str, DataVolume]
    limits: Sequence[Limit]
    apps: Mapping[str, App]


@dataclass(frozen=True)
class Held:
    """What reaches a person: every subject they act as, and all grants to these."""

    subjects: frozenset[Subject]
    grants: tuple[Grant, ...]

    @cached_property
    def by_thing(self) -> Mapping[tuple[str, str], list[Grant]]:
        """The grants by kind and name of what they are on."""
        found: dict[tuple[str, str], list[Grant]] = {}
        for grant in self.grants:
            found.setdefault((grant.resource.kind, grant.resource.name), []).append(grant)
        return found


@dataclass(frozen=True)
class Rights:
    """A person with what they hold at a moment."""

    person: Person
    held: Held
    now: datetime

    @property
    def grants(self) -> tuple[Grant, ...]:
        """All grants that reach the person, expired ones too."""
        return self.held.grants

    def may(self, action: Action, kind: str, name: str, owner: str | None = None) -> Decision:
        """Decide, with a reason for the asker. `owner`: of a job or session."""
        acting, resource = Acting(self.person, self.held.subjects), Resource(kind=kind, name=name)
        return decide(acting, action, resource, self.held.by_thing.get((kind, name), ()), self.now, owner)


class Site:
    """Loads snapshots and rights; remembers them a moment, since each job of a burst asks for the
    same. A launch reads them anew."""

    def __init__(self, store: Store, clock: Clock, apps: Callable[[], Mapping[str, App]] = dict) -> None:
        self._store = store
        self._clock = clock
        self._apps = apps
        self._snapshots: Recent[Snapshot] = Recent(clock)
        self._held: Recent[Held] = Recent(clock)

    def snapshot(self) -> Snapshot:
        """The catalogue, a moment old at most."""
        return self._snapshots.get("", self.load)

    def rights(self, person: Person) -> Rights:
        """The person's rights, a moment old at most."""
        key = f"{person.username} {sorted(person.groups)}"
        return Rights(person, self._held.get(key, lambda: self._load_held(person)), self._clock.now())

    def load(self) -> Snapshot:
        """The catalogue as it is now."""
        return Snapshot(
            domains={domain.name: domain for domain in self._store.domains()},
            images={image.name: image for image in self._store.images()},
            roots={root.name: root for root in self._store.root_volumes()},
            data={volume.name: volume for volume in self._store.data_volumes()},
            limits=self._store.limits(),
            apps=self._apps(),
        )

    def allowances(self, person: Person) -> list[Allowance]:
        """How much the person may have at once or use in this month, and has. Their jobs are summed up only
        where any limit applies to them."""
        limits, subjects = self.snapshot().limits, self.rights(person).held.subjects
        if not any(limit.subject in subjects for limit in limits):
            return []
        month = self._month(person) if monthly(limits, subjects) else None
        return allowances(limits, subjects, self._store.loads(person.username, ACTIVE), month)

    def _month(self, person: Person) -> Month:
        now = self._clock.now()
        since = month_of(now)
        return Month(by_domain(self._store.gpu_jobs(person.username, since), since), renewal(now))

    def load_rights(self, person: Person, things: Sequence[Resource] | None = None) -> Rights:
        """The person's rights as they are now: to all there is, or to `things` alone."""
        return Rights(person, self._load_held(person, things), self._clock.now())

    def _load_held(self, person: Person, things: Sequence[Resource] | None = None) -> Held:
        subjects, grants = self._store.reaching(own_subjects(person), things)
        return Held(subjects, tuple(grants))
