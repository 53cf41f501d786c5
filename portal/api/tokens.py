"""Log in, log out, and the tokens of the asker."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, request

from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.tokens import Token, TokenKind

from ..guard import Access, asker, person, token
from ..security import request_id
from ..services import services
from .models import (
    LoginAnswer,
    LoginRequest,
    MeAnswer,
    NewTokenAnswer,
    TokenAnswer,
    TokenRequest,
    TokensAnswer,
    UserAnswer,
)
from .routes import Route, body


def log_in() -> LoginAnswer:
    """Trade a password for a token."""
    asked = body(LoginRequest)
    known, secret, row = services.login.password(
        asked.username, asked.password.get_secret_value(), request.remote_addr or ""
    )
    return LoginAnswer(token=secret, expires_at=row.expires_at, user=_user(known))


def log_out() -> Response:
    """End the token's life."""
    services.support.end_all(token(), request_id())
    if token().kind is TokenKind.SERVICE:
        services.service_accounts.give_up(asker(), token())
    else:
        services.login.logout(token())
    return Response(status=204)


def me() -> MeAnswer:
    """Who the token speaks for."""
    return MeAnswer(user=_user(person()))


def list_tokens() -> TokensAnswer:
    """The asker's live tokens."""
    return TokensAnswer(tokens=tuple(map(token_view, services.login.tokens(person()))))


def make_token() -> NewTokenAnswer:
    """Make a personal token."""
    asked = body(TokenRequest)
    secret, row = services.login.personal_token(
        person(), asked.name, frozenset(asked.scopes), timedelta(days=asked.days)
    )
    return NewTokenAnswer(secret=secret, token=token_view(row))


def revoke_token(token_id: int) -> Response:
    """End a token's life."""
    services.login.revoke(person(), token_id)
    return Response(status=204)


def _user(known: Person) -> UserAnswer:
    fields = known.model_dump(include={"username", "full_name", "email", "admin"})
    powers = sorted(services.administration.powers(known))
    return UserAnswer(**fields, groups=tuple(sorted(known.groups)), powers=tuple(powers))


def token_view(row: Token) -> TokenAnswer:
    """A token without its secret."""
    fields = row.model_dump(include=set(TokenAnswer.model_fields) - {"scopes"})
    return TokenAnswer(**fields, scopes=tuple(sorted(row.scopes)))


OWN = Access(own_login=True)
ROUTES = (
    Route(
        "POST",
        "/login",
        log_in,
        Access(public=True, csrf=False),
        "Trade user name and password for a bearer token.",
        body=LoginRequest,
        answer=LoginAnswer,
    ),
    Route("POST", "/logout", log_out, Access(), "End the life of the token this is sent with.", status=204),
    Route("GET", "/me", me, Access(), "Who the token speaks for.", answer=MeAnswer),
    Route("GET", "/tokens", list_tokens, OWN, "My live tokens, newest first.", answer=TokensAnswer),
    Route(
        "POST",
        "/tokens",
        make_token,
        OWN,
        "Make a personal token; its secret is shown this once.",
        body=TokenRequest,
        answer=NewTokenAnswer,
        status=201,
    ),
    Route("DELETE", "/tokens/<int:token_id>", revoke_token, OWN, "Revoke a token.", status=204),
)
