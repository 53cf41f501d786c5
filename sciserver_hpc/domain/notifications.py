"""Notifications for when the browser is closed: what a person wants to be told of, and by which way. Pure.

A notification goes into an outbox in the transaction that records its event, one row per way chosen; the
broker sends from there, again and again until it is taken or LIVES is over. A broker that dies between
sending and writing that down sends once more, so each carries `ident`, by which receivers know a second one.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, AwareDatetime, Field

from .model import Model
from .names import Username

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

LIVES = timedelta(hours=24)
"""What could not be sent for so long is given up: who reads it later knows already."""

KEPT = timedelta(days=30)
"""How long a row stays in the outbox, sent or not."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
LONGEST_URL = 2000
LONGEST_SUBJECT, LONGEST_TEXT = 200, 4000
TEST: Final = "test"
"""In the place of an occasion: somebody tries whether a way works."""


class Occasion(StrEnum):
    """What one may be told of."""

    STARTED = "started"
    TIME_LEFT = "time_left"
    """15 minutes are left."""
    IDLE = "idle"
    """It is not used, and ends for that soon."""
    ENDED = "ended"
    FAILED = "failed"


class Channel(StrEnum):
    """A way to a person."""

    MAIL = "mail"
    WEBHOOK = "webhook"


def _in_order(chosen: tuple[Occasion, ...]) -> tuple[Occasion, ...]:
    return tuple(occasion for occasion in Occasion if occasion in chosen)


Occasions = Annotated[tuple[Occasion, ...], Field(max_length=50), AfterValidator(_in_order)]
"""Each once, in the order of Occasion."""


class Choices(Model):
    """What a person wants to be told of, by way.

    As long as they say nothing: mail for what costs work when it is missed (little time left, about to end as
    idle, failed) and for nothing that merely goes as it should, since who gets mail for all reads none of it.
    Nothing is posted anywhere before they name an address. webhook_url: "" for none.
    """

    mail: Occasions = (Occasion.TIME_LEFT, Occasion.IDLE, Occasion.FAILED)
    webhook: Occasions = ()
    webhook_url: str = Field(default="", max_length=LONGEST_URL)

    def channels(self, occasion: Occasion) -> tuple[Channel, ...]:
        """By which ways this is to be told."""
        chosen = ((Channel.MAIL, self.mail), (Channel.WEBHOOK, self.webhook))
        return tuple(channel for channel, occasions in chosen if occasion in occasions)


class Kept(Choices):
    """Choices as they are kept. salt: what the webhook's secret is made of, with a key of the portal; ""
    before there is one."""

    salt: str = ""
    secret_made_at: AwareDatetime | None = None

    @property
    def posts(self) -> bool:
        """Can anything be posted?"""
        return bool(self.webhook_url and self.salt)


class Notification(Model):
    """What is told, to whom.

    key: the same for the same event, `<uuid>:<occasion>[:n]` (see `key_of`). subject: one line. url: the page
    of the thing. at: when it happened.
    """

    username: Username
    occasion: Occasion | Literal["test"]
    key: str = Field(pattern=r"^[!-~]{1,128}\z")
    subject: str = Field(min_length=1, max_length=LONGEST_SUBJECT)
    text: str = Field(max_length=LONGEST_TEXT)
    url: str = Field(max_length=LONGEST_URL)
    at: AwareDatetime

    @property
    def ident(self) -> str:
        """32 hex digits: the same whenever the same is sent again."""
        return hashlib.sha256(f"{self.username} {self.key}".encode()).hexdigest()[:32]


class Outgoing(Model):
    """A row of the outbox. attempts: those begun; due_at: None once it is over; problem: of the last attempt,
    "" for none."""

    id: int
    channel: Channel
    notification: Notification
    created_at: AwareDatetime
    due_at: AwareDatetime | None
    attempts: int = 0
    problem: str = ""
    sent_at: AwareDatetime | None = None
    given_up_at: AwareDatetime | None = None


def key_of(uuid: str, occasion: Occasion, number: int | None = None) -> str:
    """The key of an event of a job or session. number: where it can happen several times."""
    return f"{uuid}:{occasion}" if number is None else f"{uuid}:{occasion}:{number}"


def made(
    username: str,
    occasion: Occasion | Literal["test"],
    key: str,
    words: tuple[str, str],
    url: str,
    at: datetime,
) -> Notification:
    """A notification of words (subject, text) from anywhere: names of sessions, Slurm's reasons."""
    subject, text = words
    return Notification(
        username=username,
        occasion=occasion,
        key=key,
        subject=shortened(one_line(subject), LONGEST_SUBJECT) or "Notification",
        text=shortened(lines(text), LONGEST_TEXT),
        url=url,
        at=at,
    )


def body(notification: Notification) -> bytes:
    """What is posted: JSON in UTF-8, keys in this order, no line breaks."""
    fields = {
        "id": notification.ident,
        "occasion": str(notification.occasion),
        "user": notification.username,
        "subject": notification.subject,
        "text": notification.text,
        "url": notification.url,
        "at": notification.at.isoformat(timespec="seconds"),
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts (≥ 1): a minute, doubled each time, an hour at most."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(attempts - 1, 16)
    return min(doubled, LONGEST_PAUSE)


def one_line(text: str) -> str:
    """Without line breaks and anything else that could end a header or mislead a reader."""
    return " ".join("".join(c if _shown(c) else " " for c in text).split())


def lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(
        "".join(c if c == "\t" or _shown(c) else " " for c in line) for line in text.splitlines()
    )


def shortened(text: str, most: int) -> str:
    """`text` of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _shown(character: str) -> bool:
    return character.isprintable()


# where a webhook may lead ---------------------------------------------------------------------------


def url_problem(url: str, *, allow_http: bool, allowed: Collection[IPNetwork]) -> str:
    """What is wrong with the address of a webhook, as a sentence; "" for nothing.

    Nobody is asked: where a name leads is looked at when something is sent, each time.
    """
    if len(url) > LONGEST_URL or not url.isascii() or any(not "!" <= c <= "~" for c in url):
        return "write an address in ASCII without spaces; a name in another script as xn--…"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no address; write https://<host>/<path>"
    schemes = ("https", "http") if allow_http else ("https",)
    if parts.scheme not in schemes or not host:
        return f"write {' or '.join(f'{scheme}://' for scheme in schemes)} and a host"
    if parts.username is not None or parts.password is not None:
        return "write no user name or password into it; whoever receives checks the signature"
    if parts.fragment:
        return "leave out the # and what follows; it is never sent"
    return _host_problem(host, allowed)


def _host_problem(host: str, allowed: Collection[IPNetwork]) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        local = host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
        return "leads to this machine itself" if local and not allowed else ""
    return "" if may_reach(address, allowed) else f"{address} is no public address"


def may_reach(address: IPAddress, allowed: Collection[IPNetwork]) -> bool:
    """Is `address` public, or in a network the site allows?

    An IPv6 address that stands for one of IPv4 (mapped, 6to4, Teredo) leads where that one does.
    """
    if any(address.version == network.version and address in network for network in allowed):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        within = [one for one in inner if one is not None]
        if within:
            return all(may_reach(one, allowed) for one in within)
        if address.is_site_local:
            return False
    # By Python 3.11 multicast is global, and of what is reserved only a part is not.
    return address.is_global and not (address.is_multicast or address.is_reserved)


def port_of(parts: SplitResult) -> int:
    """The port an address names, or its scheme's own."""
    return parts.port or (443 if parts.scheme == "https" else 80)
