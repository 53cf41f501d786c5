"""Who may use which route: every view says it, one hook enforces it.

A view without a word about access keeps the application from starting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast
from urllib.parse import urlencode

from flask import Flask, abort, current_app, g, redirect, request
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Request, Response

from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.support import SupportSession
from sciserver_hpc.domain.tokens import Scope, Token, TokenKind

from .cookies import set_cookie
from .security import request_id
from .services import services

View = TypeVar("View", bound=Callable[..., object])
csrf = CSRFProtect()
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 section 9.2.1)."""

SUPPORT_IS_OVER = "You looked as somebody else, and that is over: you are yourself again. Nothing was done."


@dataclass(frozen=True)
class Access:
    """What a route asks of its caller.

    public: no credential. page: a browser's login, sent to the login page when absent.
    own_login: a login token, so that a program's token cannot make or revoke tokens, or administer.
    files: a page of what is in a person's files. ends_support: all that a support session may change, its
    own end.
    """

    public: bool = False
    page: bool = False
    own_login: bool = False
    scope: Scope | None = None
    csrf: bool = True
    files: bool = False
    ends_support: bool = False


class User(UserMixin):  # type: ignore[misc]
    """What Flask-Login calls the user: a person and the token they came with.

    support: the session by which somebody else looks as them; login: the token of who sits at the browser.
    """

    def __init__(
        self,
        person: Person,
        token: Token,
        *,
        by_cookie: bool,
        support: SupportSession | None = None,
        login: Token | None = None,
    ) -> None:
        self.person = person
        self.token = token
        self.by_cookie = by_cookie
        self.support = support
        self.login = login or token
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


def powers() -> frozenset[Power]:
    """Which powers over the site who asks has; looked up once a request."""
    if "powers" not in g:
        g.powers = services.administration.powers(person())
    return cast("frozenset[Power]", g.powers)


def asker() -> Asker:
    """Who asks, for what keeps a trail."""
    return Asker(person(), request_id())


def token() -> Token:
    """Return the token they came with."""
    return cast(Token, current_user.token)


def login_token() -> Token:
    """The token of who sits at this browser, whomever they look as; a program's own token."""
    return cast(Token, current_user.login)


def support_session() -> SupportSession | None:
    """The session by which somebody looks as `person()`."""
    return cast("SupportSession | None", current_user.support)


def holds(scope: Scope) -> bool:
    """May the token they came with do what `scope` says? A login's may do all."""
    return token().kind is TokenKind.LOGIN or scope in token().scopes


def need(scope: Scope) -> None:
    """Answer 403 where the token lacks `scope`: for what a route tells beyond its own."""
    if not holds(scope):
        abort(403, f"This token lacks the scope {scope}; make one that has it.")


def need_login() -> None:
    """Answer 403 to a program's token: for what a route does for those alone who logged in."""
    if token().kind is not TokenKind.LOGIN:
        abort(403, "This is done after a login, not with a token made for a program.")


def bearer() -> str | None:
    """The secret of the Authorization header, if it is of the Bearer kind (RFC 6750)."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def init_app(app: Flask) -> None:
    """Resolve credentials and enforce what views declare."""
    manager = LoginManager(app)
    manager.session_protection = None  # nothing of the login lives in Flask's session
    manager.request_loader(_load_user)
    app.jinja_env.globals.update(powers=powers)
    csrf.init_app(app)
    app.before_request(_enforce)
    app.after_request(_forget_support)


def refuse_unguarded(app: Flask) -> None:
    """Raise RuntimeError naming every route whose view declares no access."""
    bare = sorted(rule.rule for rule in app.url_map.iter_rules() if access_of(app, rule.endpoint) is None)
    if bare:
        raise RuntimeError(f"routes that do not say who may use them: {', '.join(bare)}")


def login_cookie() -> str:
    """The name of the cookie that holds the login token's secret."""
    return cast(str, current_app.config["LOGIN_COOKIE_NAME"])


def support_cookie() -> str:
    """The name of the cookie that holds the secret of a support session, beside the login's."""
    return cast(str, current_app.config["SUPPORT_COOKIE_NAME"])


def _load_user(incoming: Request) -> User | None:
    """A bearer token speaks for the request alone: a cookie beside it is not looked at.

    When nobody can be known now (database away), the request goes on as nobody's; `_enforce` tells why, and
    the error's page needs no user.
    """
    given = bearer()
    secret = given if given is not None else incoming.cookies.get(login_cookie())
    try:
        if given is not None and (looking := _looking(given)):
            return looking
        known = services.login.resolve(secret) if secret else None
        if known is None or (given is None and known[1].kind is not TokenKind.LOGIN):
            return None
        other = incoming.cookies.get(support_cookie()) if given is None else None
        if other and (looking := _looking(other, known[1])):
            return looking
    except Unavailable as error:
        g.unknown_because = error
        return None
    g.support_is_over = bool(other)
    return User(*known, by_cookie=given is None)


def _looking(secret: str, login: Token | None = None) -> User | None:
    """The person a support session looks as; it comes with its own login in a browser."""
    found = services.support.resolve(secret, login)
    if found is None:
        return None
    whom, _, session = found
    return User(whom, session.token, by_cookie=login is not None, support=session, login=login)


def _enforce() -> Response | None:
    access = access_of(current_app, request.endpoint) if request.endpoint else None
    if access is None:
        return None
    if access.csrf and bearer() is None and (access.public or login_cookie() in request.cookies):
        csrf.protect()  # without either, nobody asks: they are told to log in
    if access.public:
        if request.method not in SAFE and support_cookie() in request.cookies:
            _check_support(access)
        return None
    if not current_user.is_authenticated:
        if "unknown_because" in g:
            raise g.unknown_because
        return _ask_to_log_in(access)
    g.user = current_user.person.username
    if access.page and not current_user.by_cookie:
        abort(401, "Pages are for browsers; use the API under /api/v1 with this token.")
    _check_support(access)
    if support_session() is None:
        _check_token(access)
    return None


def _check_support(access: Access) -> None:
    """What may be asked while somebody looks as another: to see what they see, and to end it."""
    session = current_user.support if current_user.is_authenticated else None
    changes = request.method not in SAFE and not access.ends_support
    if session is None:
        if changes and g.get("support_is_over"):
            abort(403, SUPPORT_IS_OVER)
        return
    g.user, g.looks_as = session.actor, session.username
    if changes:
        words = "nothing can be changed meanwhile. End it to go on as yourself."
        abort(403, f"You look as {session.username}, for support: {words}")
    if access.own_login and not access.ends_support:
        abort(403, f"You look as {session.username}, for support: their tokens and powers are not shown.")
    if access.files or (access.scope is not None and access.scope not in session.token.scopes):
        words = "what is in their files is theirs, and is not shown. Ask them to share it."
        abort(403, f"You look as {session.username}, for support: {words}")
    if not access.ends_support:
        services.support.visited(session, _group(), request_id())


def _group() -> str:
    """The group of pages the request is for: `home`, `jobs`, `groups` …"""
    parts = (request.url_rule.rule if request.url_rule else "").removeprefix("/api/v1").split("/")
    return parts[1] or "home"


def _forget_support(response: Response) -> Response:
    """A browser whose session is over brings its cookie no more, once it shows a whole page of its own: until
    then the other's page is what one sees, and nothing may be sent from it."""
    whole = request.headers.get("Sec-Fetch-Dest", "document") == "document"
    if g.get("support_is_over") and whole:
        set_cookie(response, support_cookie(), "", timedelta(0))
    return response


def _check_token(access: Access) -> None:
    if access.own_login:
        need_login()
    if access.scope is not None:
        need(access.scope)


def _ask_to_log_in(access: Access) -> Response:
    if not access.page:
        abort(401, "Log in, or send a live token as `Authorization: Bearer …`.")
    here = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(f"/login?{urlencode({'next': here})}" if here and here != "/" else "/login")
