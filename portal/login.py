"""Log in and out in the browser: the cookie holds a login token's secret and nothing else."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, make_response, redirect, render_template, request, session
from flask_login import current_user
from werkzeug.wrappers import Response

from sciserver_hpc.domain.errors import BadCredentials, LockedOut, Unavailable

from . import redirects
from .cookies import set_cookie
from .errors import status_of
from .guard import Access, allow, login_cookie, login_token, support_cookie
from .security import request_id
from .services import services

bp = Blueprint("login", __name__)


@bp.get("/login")
@allow(Access(public=True))
def form() -> Response:
    """The form; home for those who are in."""
    if current_user.is_authenticated:
        return redirect(redirects.local(request.args.get("next")))
    return make_response(render_template("login.html"))


@bp.post("/login")
@allow(Access(public=True))
def enter() -> Response:
    """Check the password and start a fresh session."""
    username, password = request.form.get("username", ""), request.form.get("password", "")
    try:
        _, secret, row = services.login.password(username, password, request.remote_addr or "")
    except (BadCredentials, LockedOut, Unavailable) as error:
        return make_response(render_template("login.html", problem=_sentence(error)), status_of(error))
    session.clear()
    response = redirect(redirects.local(request.values.get("next")), 303)
    set_cookie(response, login_cookie(), secret, row.expires_at - services.clock.now())
    return response


@bp.post("/logout")
@allow(Access(page=True, ends_support=True))
def leave() -> Response:
    """End the token's life here and in the browser, and with it whatever was begun as somebody else."""
    services.support.end_all(login_token(), request_id())
    services.login.logout(login_token())
    session.clear()
    response = redirect("/login", 303)
    for name in (login_cookie(), support_cookie()):
        set_cookie(response, name, "", timedelta(0))
    return response


def _sentence(error: BadCredentials | LockedOut | Unavailable) -> str:
    """A system's own words are for its administrator, who finds them in the log."""
    if not isinstance(error, Unavailable):
        return str(error)
    silent = "database" if error.system == "database" else "directory of people"
    return f"Your password could not be checked: the {silent} does not answer. Try again in a minute."
