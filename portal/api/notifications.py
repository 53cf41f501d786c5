"""What the asker is told of when their browser is closed. Chosen after a login alone: a program's token sends
nothing elsewhere."""

from __future__ import annotations

from flask import Response

from sciserver_hpc.domain.notifications import Choices, Outgoing

from ..guard import Access, person
from ..services import services
from .notification_models import (
    NotificationsAnswer,
    NotificationsRequest,
    NotificationTestRequest,
    SentView,
)
from .routes import Route, body


def notifications() -> NotificationsAnswer:
    """What is chosen, and what there is to choose."""
    return _answer()


def choose_notifications() -> NotificationsAnswer:
    """Choose."""
    asked = body(NotificationsRequest)
    wanted = Choices(**asked.model_dump(include=set(Choices.model_fields)))
    _, secret = services.notifying.choose(person(), wanted, renew=asked.renew_secret)
    return _answer(secret or None)


def test_notification() -> Response:
    """Try a way."""
    services.notifying.test(person(), body(NotificationTestRequest).channel)
    return Response(status=204)


def _answer(secret: str | None = None) -> NotificationsAnswer:
    found = services.notifying.choosing(person())
    return NotificationsAnswer(
        **found.chosen.model_dump(include=set(Choices.model_fields)),
        offered=found.offered,
        mail_to=found.mail_to,
        secret_made_at=found.chosen.secret_made_at,
        secret=secret,
        last=tuple(map(_view, found.last)),
    )


def _view(row: Outgoing) -> SentView:
    told = row.notification
    return SentView(
        occasion=told.occasion,
        subject=told.subject,
        **row.model_dump(include=set(SentView.model_fields) - {"occasion", "subject"}),
    )


OWN = Access(own_login=True)
AT = "/me/notifications"
ROUTES = (
    Route(
        "GET",
        AT,
        notifications,
        OWN,
        "What I am told of by mail and webhook, and what became of the latest.",
        answer=NotificationsAnswer,
    ),
    Route(
        "PUT",
        AT,
        choose_notifications,
        OWN,
        "Choose what I am told of; a webhook's secret is shown once, when it is made.",
        body=NotificationsRequest,
        answer=NotificationsAnswer,
    ),
    Route(
        "POST",
        f"{AT}/test",
        test_notification,
        OWN,
        "Send me one to try a way, at most one a minute.",
        body=NotificationTestRequest,
        status=204,
    ),
)
