"""The directory, with word left for everybody when it stops answering and when it answers again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from ..domain.errors import SciServerError, Unavailable
from ..domain.people import Person
from ..ports import Clock, Directory, Store

log = structlog.get_logger(__name__)

NOTE = "directory"
"""The note in the store: `ok`, `problem`, `at`."""

RETRY = timedelta(minutes=1)
"""How long a directory that did not answer is left alone where one can do without it."""


class WatchedDirectory:
    """The port `Directory`.

    A note is written at a change, by whichever process meets it; one on an outage also each RETRY while
    somebody goes on asking, so that readers may take an old one as nobody's word.
    """

    def __init__(self, store: Store, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._silent_at: datetime | None = None

    @property
    def silent(self) -> bool:
        """It did not answer when this process last asked."""
        return self._silent_at is not None

    @property
    def resting(self) -> bool:
        """It is silent, and was asked just now: what is known must do."""
        return self._silent_at is not None and self._clock.now() < self._silent_at + RETRY

    def authenticate(self, username: str, password: str) -> Person:
        """See `ports.Directory`."""
        with self._watched():
            return self._directory.authenticate(username, password)

    def person(self, username: str) -> Person:
        """See `ports.Directory`."""
        with self._watched():
            return self._directory.person(username)

    def has_group(self, name: str) -> bool:
        """See `ports.Directory`."""
        with self._watched():
            return self._directory.has_group(name)

    def gid(self, group: str) -> int:
        """See `ports.Directory`."""
        with self._watched():
            return self._directory.gid(group)

    def ping(self) -> str:
        """See `ports.Directory`."""
        with self._watched():
            return self._directory.ping()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if self.silent:
            self._silent_at = self._clock.now()  # one thread tries; the others need not wait for it
        try:
            yield
        except Unavailable as error:
            self._silent_at = self._clock.now()
            log.warning("directory silent", error=str(error))
            self._tell(str(error))
            raise
        except SciServerError:  # "no" is an answer, too
            self._answered()
            raise
        self._answered()

    def _answered(self) -> None:
        self._silent_at = None
        self._tell("")

    def _tell(self, problem: str) -> None:
        """Against what the store says, since another process may have left the last word."""
        now = self._clock.now()
        told = self._store.notes().get(NOTE, {"ok": True})
        renewed = bool(problem) and not told["ok"] and now - datetime.fromisoformat(told["at"]) >= RETRY
        if told["ok"] is bool(problem) or renewed:
            self._store.note(NOTE, {"ok": not problem, "problem": problem, "at": now.isoformat()})
