"""Who may use which route: every view says it, one hook enforces it.

A view without a word about access keeps the application from starting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast
from urllib.parse import urlencode

from flask import Flask, abort, current_app, g, redirect, request
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Request, Response

from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.tokens import Scope, Token, TokenKind

from .security import request_id
from .services import services

View = TypeVar("View", bound=Callable[..., object])
csrf = CSRFProtect()


@dataclass(frozen=True)
class Access:
    """What a route asks of its caller.

    public: no credential. page: a browser's login, sent to the login page when absent.
    own_login: a login token, so that a program's token cannot make or revoke tokens.
    """

    public: bool = False
    page: bool = False
    own_login: bool = False
    scope: Scope | None = None
    csrf: bool = True


class User(UserMixin):  # type: ignore[misc]
    """What Flask-Login calls the user: a person and the token they came with."""

    def __init__(self, person: Person, token: Token, *, by_cookie: bool) -> None:
        self.person = person
        self.token = token
        self.by_cookie = by_cookie
        self.id = person.username


def allow(access: Access) -> Callable[[View], View]:
    """Declare a view's access."""

    def mark(view: View) -> View:
        view.access = access  # type: ignore[attr-defined]
        return view

    return mark


def access_of(app: Flask, endpoint: str) -> Access | None:
    """What the view of `endpoint` declared; Flask's own static files are public."""
    if endpoint == "static":
        return Access(public=True)
    return getattr(app.view_functions[endpoint], "access", None)


def person() -> Person:
    """Return who asks; only in routes that are not public."""
    return cast(Person, current_user.person)


def asker() -> Asker:
    """Who asks, for what keeps a trail."""
    return Asker(person(), request_id())


def token() -> Token:
    """Return the token they came with."""
    return cast(Token, current_user.token)


def bearer() -> str | None:
    """The secret of the Authorization header, if it is of the Bearer kind (RFC 6750)."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def init_app(app: Flask) -> None:
    """Resolve credentials and enforce what views declare."""
    manager = LoginManager(app)
    manager.session_protection = None  # nothing of the login lives in Flask's session
    manager.request_loader(_load_user)
    csrf.init_app(app)
    app.before_request(_enforce)


def refuse_unguarded(app: Flask) -> None:
    """Raise RuntimeError naming every route whose view declares no access."""
    bare = sorted(rule.rule for rule in app.url_map.iter_rules() if access_of(app, rule.endpoint) is None)
    if bare:
        raise RuntimeError(f"routes that do not say who may use them: {', '.join(bare)}")


def login_cookie() -> str:
    """The name of the cookie that holds the login token's secret."""
    return cast(str, current_app.config["LOGIN_COOKIE_NAME"])


def _load_user(incoming: Request) -> User | None:
    """A bearer token speaks for the request alone: a cookie beside it is not looked at.

    When nobody can be known now (database away), the request goes on as nobody's; `_enforce` tells why, and
    the error's page needs no user.
    """
    given = bearer()
    secret = given if given is not None else incoming.cookies.get(login_cookie())
    try:
        known = services.login.resolve(secret) if secret else None
    except Unavailable as error:
        g.unknown_because = error
        return None
    if known is None or (given is None and known[1].kind is not TokenKind.LOGIN):
        return None
    return User(*known, by_cookie=given is None)


def _enforce() -> Response | None:
    access = access_of(current_app, request.endpoint) if request.endpoint else None
    if access is None:
        return None
    if access.csrf and bearer() is None and (access.public or login_cookie() in request.cookies):
        csrf.protect()  # without either, nobody asks: they are told to log in
    if access.public:
        return None
    if not current_user.is_authenticated:
        if "unknown_because" in g:
            raise g.unknown_because
        return _ask_to_log_in(access)
    g.user = current_user.person.username
    _check_token(access)
    return None


def _check_token(access: Access) -> None:
    own_login = token().kind is TokenKind.LOGIN
    if access.page and not current_user.by_cookie:
        abort(401, "Pages are for browsers; use the API under /api/v1 with this token.")
    if access.own_login and not own_login:
        abort(403, "This is done after a login, not with a token made for a program.")
    if access.scope is not None and not own_login and access.scope not in token().scopes:
        abort(403, f"This token lacks the scope {access.scope}; make one that has it.")


def _ask_to_log_in(access: Access) -> Response:
    if not access.page:
        abort(401, "Log in, or send a live token as `Authorization: Bearer …`.")
    here = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(f"/login?{urlencode({'next': here})}" if here and here != "/" else "/login")
