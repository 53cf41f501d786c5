"""What a person wants to be told of, and putting it into the outbox."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

import structlog

from ..domain.errors import Conflict, Invalid
from ..domain.model import Model
from ..domain.notifications import TEST, Channel, Choices, Kept, Notification, Occasion, Outgoing, made
from ..domain.people import Person
from ..ports import Clock, Poster, Store, Waker

log = structlog.get_logger(__name__)

SECRET_PREFIX = "shw_"  # noqa: S105 (so that scanners can find one that leaked)
SHOWN = 10
PAGE = "/me/notifications"


class Ways:
    """How the site can reach people. mail: it can send mail; poster: None where it posts nothing.

    key: the portal's own, from which secrets of webhooks are made: none stands in the database. With another
    key they are others.
    """

    def __init__(self, mail: bool, poster: Poster | None, key: bytes) -> None:
        self.poster = poster
        self.offered = tuple(
            channel
            for channel, there in ((Channel.MAIL, mail), (Channel.WEBHOOK, poster is not None))
            if there
        )
        self._key = key

    def secret(self, username: str, salt: str) -> str:
        """What posts to this person's webhook are signed with."""
        raw = hmac.digest(self._key, f"webhook {username} {salt}".encode(), hashlib.sha256)
        return SECRET_PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Choosing(Model):
    """What a person has before them. offered: ways of this site; mail_to: their address, "" for none; last:
    their latest notifications, newest first."""

    chosen: Kept
    offered: tuple[Channel, ...]
    mail_to: str
    last: tuple[Outgoing, ...]


class Notifying:
    """The use cases. url: the portal's own."""

    def __init__(self, store: Store, clock: Clock, waker: Waker, ways: Ways, url: str) -> None:
        self._store = store
        self._clock = clock
        self._waker = waker
        self._ways = ways
        self._url = url

    def choosing(self, person: Person) -> Choosing:
        """All the person needs to choose."""
        return Choosing(
            chosen=self.choices(person),
            offered=self._ways.offered,
            mail_to=person.email,
            last=tuple(self._store.notifications_of(person.username, SHOWN)),
        )

    def choices(self, person: Person) -> Kept:
        """What they chose, or what holds as long as they say nothing."""
        return self._kept(person.username)

    def choose(self, person: Person, wanted: Choices, *, renew: bool = False) -> tuple[Kept, str]:
        """Choose; return what is kept, and the webhook's secret where one was made: with the first address,
        and where another is asked for (the old one is good no more).

        Raises Invalid by field: mail, webhook, webhook_url.
        """
        if wrong := self._problems(wanted):
            raise Invalid(wrong)
        with self._store.transaction():
            kept = Kept(**(dict(self._kept(person.username)) | dict(wanted)))
            new = bool(kept.webhook_url) and (renew or not kept.salt)
            if new:
                made_now = {"salt": secrets.token_hex(16), "secret_made_at": self._clock.now()}
                kept = kept.model_copy(update=made_now)
            self._store.keep_notification_choices(person.username, kept)
        # Where things are sent to is worth a line: a stolen login would change it. The host alone, since what
        # follows it is a secret with many receivers.
        host = urlsplit(kept.webhook_url).hostname or ""
        log.info("notifications chosen", user=person.username, host=host, new_secret=new)
        return kept, self._ways.secret(person.username, kept.salt) if new else ""

    def tell(self, username: str, occasion: Occasion, key: str, subject: str, text: str, url: str) -> None:
        """Tell a person by all the ways they chose: called inside the transaction that records the event.

        key: see `domain.notifications.key_of`; told again, nothing happens. url: the thing's page, whole or
        as a path of the portal's.
        """
        kept = self._kept(username)
        channels = [channel for channel in kept.channels(occasion) if self._reaches(kept, channel)]
        if channels:
            where = f"{self._url}{url}" if url.startswith("/") else url
            told = made(username, occasion, key, (subject, text), where, self._clock.now())
            self._store.add_notifications(channels, told)

    def test(self, person: Person, channel: Channel) -> Notification:
        """Send one to try it, at most one a minute: its fate is in `choosing(person).last`.

        Raises Conflict where it leads nowhere.
        """
        if channel not in self._ways.offered:
            raise Conflict(f"This site offers no {channel}.")
        if channel is Channel.MAIL and not person.email:
            raise Conflict("The directory has no e-mail address for you.")
        if not self._reaches(self._kept(person.username), channel):
            raise Conflict("Save an address for the webhook first.")
        now = self._clock.now()
        key = f"{TEST}:{now:%Y%m%dT%H%M}"
        words = ("Test of your notifications", "This way works. Nothing else has happened.")
        told = made(person.username, TEST, key, words, f"{self._url}{PAGE}", now)
        self._store.add_notifications([channel], told)
        self._waker.wake()
        return told

    def _problems(self, wanted: Choices) -> dict[str, str]:
        found: dict[str, str] = {}
        if wanted.webhook_url:
            problem = self._ways.poster.problem(wanted.webhook_url) if self._ways.poster else ""
            if self._ways.poster is None:
                problem = "this site posts to no webhooks"
            found = {"webhook_url": problem} if problem else {}
        elif wanted.webhook:
            found = {"webhook_url": "give the address of your webhook, or choose nothing for it"}
        return found

    def _kept(self, username: str) -> Kept:
        return self._store.notification_choices(username) or Kept()

    def _reaches(self, kept: Kept, channel: Channel) -> bool:
        return channel in self._ways.offered and (channel is Channel.MAIL or kept.posts)
