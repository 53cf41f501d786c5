"""Who administers what."""

from __future__ import annotations

from ..domain.administration import Power
from ..domain.errors import Refused
from ..domain.people import Person


class Administration:
    """Administrators of the site have all powers, everybody else none."""

    def powers(self, person: Person) -> frozenset[Power]:
        """What the person may look after."""
        return frozenset(Power) if person.admin else frozenset()

    def demand(self, person: Person, power: Power) -> None:
        """Raises Refused."""
        if power not in self.powers(person):
            words = power.replace("_", " ")
            raise Refused({words: "you have no such power; ask an administrator of the site"})
