"""A site's file brought into the database: what differs is told first, and kept in the audit trail."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain.audit import Entry
from ..domain.catalogue import Site, check
from ..domain.differences import Difference, differences
from ..domain.errors import Conflict
from ..ports import Clock, Store


class Applying:
    """Applies the declarative catalogue. Grants that people made are not the site's, and stay."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def differences(self, site: Site) -> list[Difference]:
        """What applying `site` would change. Raises Invalid when something is there twice."""
        check(site)
        with self._store.transaction():
            return differences(self._store.site(), site)

    def apply(self, site: Site, who: str, seen: Sequence[Difference], request_id: str = "") -> None:
        """Make what stands be `site`, in one transaction, told in the audit trail as done by `who`.

        seen: the differences that were agreed to; request_id: as in the portal's log. Raises Invalid;
        Conflict when it is others by now: nothing is changed then.
        """
        check(site)
        with self._store.transaction():
            self._store.hold_access()
            found = differences(self._store.site(), site)
            if found != list(seen):
                raise Conflict("Somebody else changed the catalogue meanwhile; look at the difference again.")
            if found:
                self._store.apply_site(site)
                self._store.record([self._entry(one, who, request_id) for one in found])

    def _entry(self, one: Difference, who: str, request_id: str) -> Entry:
        return Entry(
            at=self._clock.now(),
            who=who,
            act=one.act,
            on=one.on,
            whom=one.whom,
            detail=one.detail,
            request_id=request_id,
        )
