"""Who a token's owner is by now: what the directory said last, asked for anew once that is old."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from ..domain.errors import NotFound, Unavailable
from ..domain.people import Person
from ..ports import Clock, Store
from .recent import Recent
from .watched_directory import RETRY, WatchedDirectory

log = structlog.get_logger(__name__)

REFRESH = timedelta(minutes=15)
"""How long what the directory said of a person holds: who was removed there is out after it."""


class People:
    """Remembers people. A directory that is away costs one request a minute its timeout, not every one; that
    request may be anybody's, so that its return is noticed."""

    def __init__(self, store: Store, directory: WatchedDirectory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._due: dict[str, datetime] = {}
        self._gone: dict[str, datetime] = {}
        self._known: Recent[Person | None] = Recent(clock)

    def remember(self, person: Person) -> None:
        """Keep what the directory just said."""
        self._store.remember_person(person)
        self._known.put(person.username, person)
        self._due[person.username] = self._clock.now() + REFRESH
        self._gone.pop(person.username, None)

    def current(self, username: str) -> Person | None:
        """The person; None once the directory knows them no more. Raises Unavailable (the database)."""
        now = self._clock.now()
        if now < self._gone.get(username, now):
            return None
        due = self._due.get(username)
        fresh = due is not None and now < due and not self._directory.silent
        if fresh or self._directory.resting:
            return self._known.get(username, lambda: self._store.person(username))
        # Other threads go on with what is known while this one asks.
        self._due[username] = now + RETRY
        return self._ask(username)

    def _ask(self, username: str) -> Person | None:
        try:
            person = self._directory.person(username)
        except NotFound:
            log.warning("token of somebody the directory does not know", user=username)
            self._due.pop(username, None)
            # A group's programs go on without whoever left it: not each of their requests asks again.
            self._gone[username] = self._clock.now() + RETRY
            return None
        except Unavailable as error:
            log.warning("person not refreshed", user=username, error=str(error))
            return self._store.person(username)
        self.remember(person)
        return person
