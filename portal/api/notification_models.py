"""What goes in and out of the API about notifications."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from sciserver_hpc.domain.model import Model
from sciserver_hpc.domain.notifications import Channel, Choices, Occasion


class NotificationsRequest(Choices):
    """All that is chosen; what is left out is as for somebody who never chose.

    renew_secret: make another secret for the webhook; the old one is good no more.
    """

    renew_secret: bool = False


class SentView(Model):
    """What became of a notification. problem: of the last attempt, "" for none."""

    occasion: Occasion | Literal["test"]
    channel: Channel
    subject: str
    created_at: AwareDatetime
    attempts: int
    sent_at: AwareDatetime | None
    given_up_at: AwareDatetime | None
    problem: str


class NotificationsAnswer(Choices):
    """What is chosen and what there is.

    offered: ways of this site; mail_to: where mail goes, "" where the directory has no address;
    secret_made_at: null before the webhook has a secret; secret: where one was just made, which is shown this
    once; last: the latest ten, newest first.
    """

    offered: tuple[Channel, ...]
    mail_to: str
    secret_made_at: AwareDatetime | None
    secret: str | None = None
    last: tuple[SentView, ...] = ()


class NotificationTestRequest(Model):
    """Which way to try."""

    channel: Channel
