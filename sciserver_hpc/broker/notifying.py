"""Notifications on their way: steps of `services.sending`, as errands of two kinds.

One errand for each person and way, so that one person's dead webhook holds up nobody. Whose webhook hangs is
slow, and shares places with others who are; the mail server is the site's own, and never slow: else it would
take these places when it is away.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from ..domain.notifications import Channel
from ..domain.scheduling import Owner
from ..services.sending import Lane
from .errands import Errands, Whose

KINDS = {Channel.MAIL: "mail", Channel.WEBHOOK: "webhook"}

CREDIT_S = 15.0
"""Above the limit of one post: whose webhook answers late now and then is not slow for that."""


class Outbox(Protocol):
    """What there is to do; see `services.sending.Sending`."""

    def due(self) -> list[Lane]:
        """Where something waits, longest due first."""
        ...

    def send(self, lane: Lane, go_on: Callable[[], bool]) -> bool:
        """Send what is due there; False when it was not taken."""
        ...


class NotificationSender:
    """Starts errands, one for each person and way."""

    def __init__(self, outbox: Outbox, errands: Errands) -> None:
        self._outbox = outbox
        self._errands = errands

    def start(self) -> None:
        """Start what is due and finds a place. Raises Unavailable (the database)."""
        lanes = self._outbox.due()
        for channel, kind in KINDS.items():
            errands = {
                whose: partial(
                    self._outbox.send, (channel, username), partial(self._errands.in_time, kind, whose)
                )
                for whose, username in ((_whose(kind, one), one) for way, one in lanes if way is channel)
            }
            self._errands.start(kind, errands, CREDIT_S, to_agent=channel is Channel.WEBHOOK)


def _whose(kind: str, username: str) -> Whose:
    """Nobody's agent: no cluster is called so, and whose webhook is slow is not so for their jobs."""
    return f" {kind}", Owner(username=username, uid=65534, gid=65534)
