"""What the site offers, as one snapshot, and what a person may do with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..domain.access import Action, Decision, Grant, Resource, closure, decide
from ..domain.catalogue import ComputeDomain, Image
from ..domain.people import Person
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


@dataclass(frozen=True)
class Rights:
    """A person with their grants at a moment."""

    person: Person
    grants: tuple[Grant, ...]
    now: datetime

    def may(self, action: Action, kind: str, name: str) -> Decision:
        """Decide, with a reason for the asker."""
        return decide(self.person, action, Resource(kind=kind, name=name), self.grants, self.now)


class Site:
    """Loads snapshots and rights; remembers them a moment, since each job of a burst asks for the
    same. A launch reads them anew."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._snapshots: Recent[Snapshot] = Recent(clock)
        self._grants: Recent[tuple[Grant, ...]] = Recent(clock)

    def snapshot(self) -> Snapshot:
        """The catalogue, a moment old at most."""
        return self._snapshots.get("", self.load)

    def rights(self, person: Person) -> Rights:
        """The person's rights, a moment old at most."""
        key = f"{person.username} {sorted(person.groups)}"
        return Rights(person, self._grants.get(key, lambda: self._load_grants(person)), self._clock.now())

    def load(self) -> Snapshot:
        """The catalogue as it is now."""
        return Snapshot(
            domains={domain.name: domain for domain in self._store.domains()},
            images={image.name: image for image in self._store.images()},
            roots={root.name: root for root in self._store.root_volumes()},
            data={volume.name: volume for volume in self._store.data_volumes()},
        )

    def load_rights(self, person: Person) -> Rights:
        """The person's rights as they are now."""
        return Rights(person, self._load_grants(person), self._clock.now())

    def _load_grants(self, person: Person) -> tuple[Grant, ...]:
        subjects = sorted((subject.kind, subject.name) for subject in closure(person))
        return tuple(self._store.grants(subjects))
