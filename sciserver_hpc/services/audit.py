"""The audit trail, as far as each may read it."""

from __future__ import annotations

from collections.abc import Iterator

from ..domain.access import Action, Resource, ResourceKind
from ..domain.administration import Power
from ..domain.audit import Entry, Sieve
from ..domain.errors import Refused
from ..domain.groups import Role
from ..domain.people import Person
from ..ports import Store
from .administration import Administration
from .groups import Groups
from .sharing import Sharing
from .support import Support

LONGEST_PAGE = 1000
ALL = Sieve()


class Audit:
    """Who has the power read_audit reads all, owners what was done with their own.

    Everybody else reads what they did, what was done about them, and what was done with things that were
    theirs then.
    """

    def __init__(
        self,
        store: Store,
        groups: Groups,
        sharing: Sharing,
        administration: Administration,
        support: Support,
    ) -> None:
        self._store = store
        self._support = support
        self._administration = administration
        self._groups = groups
        self._sharing = sharing

    def entries(
        self,
        person: Person,
        on: Resource | None = None,
        before: int | None = None,
        limit: int = 100,
        sieve: Sieve = ALL,
    ) -> list[Entry]:
        """Newest first. `before`: last id of the page before. Raises NotFound, Refused."""
        everything = self._administration.has(person, Power.READ_AUDIT)
        if not everything and on is not None:
            self._check(person, on)
        self._support.settle()  # the end of a session whose time is over is told by the next who looks
        about = None if everything or on is not None else person.username
        return self._store.audit(
            on=on, about=about, before=before, limit=max(1, min(limit, LONGEST_PAGE + 1)), sieve=sieve
        )

    def export(self, person: Person, on: Resource | None = None, sieve: Sieve = ALL) -> Iterator[Entry]:
        """All of it, newest first, read a page at a time. Raises NotFound, Refused before the first."""
        page = self.entries(person, on, None, LONGEST_PAGE, sieve)
        return self._rest(person, on, page, sieve)

    def _rest(self, person: Person, on: Resource | None, page: list[Entry], sieve: Sieve) -> Iterator[Entry]:
        while page:
            yield from page
            page = self.entries(person, on, page[-1].id, LONGEST_PAGE, sieve)

    def _check(self, person: Person, on: Resource) -> None:
        if on.kind is ResourceKind.SERVICE:
            self._sharing.see(person, on)
        elif on.kind is not ResourceKind.GROUP:
            self._sharing.need(person, Action.GRANT, on)
        elif self._groups.get(person, on.name).role not in (Role.ADMIN, Role.OWNER) and not (
            self._administration.has(person, Power.MANAGE_GROUPS)
        ):
            raise Refused({str(on): "only its owner and its admins read what was done with it"})
