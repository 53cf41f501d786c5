"""Looking as somebody else, for support, with a token of its own."""

from __future__ import annotations

from flask import Response

from ..guard import Access, asker, login_token, support_session
from ..security import request_id
from ..services import services
from .access_models import SupportAnswer, SupportRequest
from .routes import Route, body


def begin_support() -> SupportAnswer:
    """Get a token that looks as somebody else."""
    asked = body(SupportRequest)
    secret, session = services.support.begin(asker(), login_token(), asked.user, asked.reason)
    return SupportAnswer(token=secret, user=session.username, expires_at=session.expires_at)


def end_support() -> Response:
    """End the session of this token, or all that were begun with this login."""
    session = support_session()
    if session is not None:
        services.support.end(session, request_id())
    else:
        services.support.end_all(login_token(), request_id())
    return Response(status=204)


ROUTES = (
    Route(
        "POST",
        "/support",
        begin_support,
        Access(own_login=True),
        "Look as somebody else, for support: a token that reads what they see, but no files and no tokens. "
        "They are told, with the reason. Takes the power `support`; ends with the login it was begun with.",
        body=SupportRequest,
        answer=SupportAnswer,
        status=201,
    ),
    Route(
        "DELETE",
        "/support",
        end_support,
        Access(own_login=True, ends_support=True),
        "End it: the one of this token, or all begun with this login.",
        status=204,
    ),
)
