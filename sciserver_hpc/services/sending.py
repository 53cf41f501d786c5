"""Sending what is in the outbox: one way of one person at a time, from rows alone.

An attempt is written down before it is made, with when to try again: a broker that dies in it leaves the
row to the next one, which sends it then, perhaps a second time. So what is sent is sent at least once, and
at most once for each attempt written down.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from ..domain.errors import NotFound, Refused, Unavailable
from ..domain.notifications import KEPT, LIVES, Channel, Notification, Outgoing, pause
from ..ports import Clock, Directory, Mailer, Store
from .notifying import PAGE, Ways

log = structlog.get_logger(__name__)

LANES_MOST, ROWS_MOST = 1000, 20
FORGET_EVERY = timedelta(hours=1)
LONGEST_PROBLEM = 300

Lane = tuple[Channel, str]
"""A way and a person's name."""


class Sending:
    """Sends. mailer: None where the site sends no mail; url: the portal's."""

    def __init__(
        self, store: Store, clock: Clock, directory: Directory, mailer: Mailer | None, ways: Ways, url: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._directory = directory
        self._mailer = mailer
        self._ways = ways
        self._footer = f"You chose to be told of this: {url}{PAGE}"
        self._forget_at: datetime | None = None

    def due(self) -> list[Lane]:
        """Where something waits, longest due first. Old rows go meanwhile. Raises Unavailable (the
        database)."""
        now = self._clock.now()
        if self._forget_at is None or now >= self._forget_at:
            self._store.forget_notifications(now - KEPT)
            self._forget_at = now + FORGET_EVERY
        return self._store.notifications_waiting(now, LANES_MOST)

    def send(self, lane: Lane, go_on: Callable[[], bool]) -> bool:
        """Send what is due there while `go_on` says so; False when it was not taken, and rests for a while.

        Raises Unavailable (the database).
        """
        channel, username = lane
        for row in self._store.notifications_due(channel, username, self._clock.now(), ROWS_MOST):
            if not go_on():
                break
            if not self._attempt(row):
                return False
        return True

    def _attempt(self, row: Outgoing) -> bool:
        now = self._clock.now()
        if now - row.created_at > LIVES:
            self._give_up(row, row.problem or "it could not be sent in time")
            return True
        again = now + pause(row.attempts + 1)
        begun = row.model_copy(update={"attempts": row.attempts + 1, "due_at": again})
        if not self._store.keep_notification(row, begun):
            return True  # another broker is at it
        try:
            self._hand_over(row.channel, row.notification)
        except Refused as error:
            self._give_up(begun, "; ".join(error.items.values()))
        except Unavailable as error:
            if error.system == "database":
                raise
            self._failed(begun, error.detail, again)
            return False
        else:
            over = {"due_at": None, "sent_at": self._clock.now(), "problem": ""}
            self._store.keep_notification(begun, begun.model_copy(update=over))
        return True

    def _hand_over(self, channel: Channel, notification: Notification) -> None:
        """Raises Unavailable, Refused."""
        if channel is Channel.MAIL:
            if self._mailer is None:
                raise Refused({"mail": "this site sends no mail any more"})
            self._mailer.send(self._address(notification.username), notification, self._footer)
            return
        kept = self._store.notification_choices(notification.username)
        if self._ways.poster is None or kept is None or not kept.posts:
            raise Refused({"webhook": "there is no address any more"})
        secret = self._ways.secret(notification.username, kept.salt)
        self._ways.poster.post(kept.webhook_url, secret, notification)

    def _address(self, username: str) -> str:
        """What the directory says now; while it is away, what it said last. Raises Refused, Unavailable."""
        try:
            person = self._directory.person(username)
        except NotFound as error:
            raise Refused({"mail": "the directory does not know them any more"}) from error
        except Unavailable as error:
            if error.system == "database":
                raise
            known = self._store.person(username)
            if known is None:
                raise
            person = known
        if not person.email:
            raise Refused({"mail": "the directory has no address for them"})
        return person.email

    def _failed(self, begun: Outgoing, problem: str, again: datetime) -> None:
        """The whole lane rests: what else waits there would fail as well."""
        log.info("notification not sent", user=begun.notification.username, problem=problem)
        if again - begun.created_at > LIVES:
            self._give_up(begun, problem)
        else:
            shown = {"problem": problem[:LONGEST_PROBLEM]}
            self._store.keep_notification(begun, begun.model_copy(update=shown))
        self._store.put_notifications_off(begun.channel, begun.notification.username, again)

    def _give_up(self, row: Outgoing, problem: str) -> None:
        told = {"due_at": None, "given_up_at": self._clock.now(), "problem": problem[:LONGEST_PROBLEM]}
        self._store.keep_notification(row, row.model_copy(update=told))
        log.warning("notification given up", user=row.notification.username, problem=problem)
