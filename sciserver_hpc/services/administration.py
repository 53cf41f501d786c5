"""Who administers what of the site."""

from __future__ import annotations

from ..domain.access import ACTIONS, SITE, THE_SITE, Acting, ResourceKind, own_subjects
from ..domain.administration import Power, powers
from ..domain.errors import Refused
from ..domain.people import Person
from ..ports import Clock, Store


class Administration:
    """Tells a person's powers over the site, as they are now."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def powers(self, person: Person) -> frozenset[Power]:
        """All of them. One query; none for the directory's administrators, who have every power."""
        if person.admin:
            return frozenset(Power)
        subjects, grants = self._store.reaching(own_subjects(person), [THE_SITE])
        return powers(Acting(person, subjects), grants, self._clock.now())

    def has(self, person: Person, power: Power) -> bool:
        """Does the person have it now?"""
        return power in self.powers(person)

    def demand(self, person: Person, power: Power) -> None:
        """Raise Refused unless the person has it, saying which is missing and who gives it."""
        if not self.has(person, power):
            what = ACTIONS[ResourceKind.SITE][power.action].rstrip(".")
            raise Refused({SITE: f"it takes the power {power} ({what}); ask an administrator for it"})
