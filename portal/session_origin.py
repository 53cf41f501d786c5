"""What nginx asks at a session's own origin: may this request pass, and the exchange of a ticket for a pass.

nginx names the session in a header that it sets itself, and clears on the portal's own pages; see decision 14
and the server of sessions in nginx's configuration.
"""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, abort, redirect, request
from werkzeug.wrappers import Response

from sciserver_hpc.render.session import PASS_COOKIE
from sciserver_hpc.services.admitting import Admission, Incoming

from .cookies import set_cookie
from .guard import Access, allow
from .services import services

log = structlog.get_logger(__name__)
bp = Blueprint("session_origin", __name__, url_prefix="/.sciserver")
SESSION = "X-Sciserver-Session"
_UUID = re.compile(r"[0-9a-f]{32}\Z")


def init_app(app: Flask) -> None:
    """Keep the two apart: nothing of the portal at a session's origin, nothing of this at the portal's."""
    app.before_request(_keep_apart)


def _keep_apart() -> None:
    here = request.blueprint == bp.name
    if here is not bool(request.headers.get(SESSION)):
        abort(404)


@bp.get("/auth")
@allow(Access(public=True, csrf=False))
def auth() -> Response:
    """May the request that nginx has pass? 204 with where to and as which pass; 401 without one; 403."""
    uuid = _uuid()
    secret = request.cookies.get(PASS_COOKIE, "")
    answer = services.admitting.admit(uuid, secret, services.session_origin(uuid), _incoming())
    if isinstance(answer, Admission):
        response = Response(status=204)
        response.headers["X-Session-Upstream"] = answer.address
        response.headers["X-Session-Pass"] = str(answer.pass_id)
        response.headers["X-Session-Mode"] = answer.mode
        return response
    response = Response(status=answer.status)
    response.headers["X-Session-Why"] = answer
    return response


@bp.post("/enter")
@allow(Access(public=True, csrf=False))
def enter() -> Response:
    """Take the ticket that the portal's page sent, and let the browser in.

    From nobody else's page: somebody would find themselves in a session of who sent them there.
    """
    uuid, origin = _uuid(), request.headers.get("Origin", "")
    entered = None
    if origin == _portal():
        entered = services.admitting.enter(uuid, request.form.get("ticket", "")[:200])
    else:
        log.warning("ticket from elsewhere", session=uuid, origin=origin[:200])
    if entered is None:
        return redirect(f"{services.settings.portal.url}/sessions/at/{uuid}", 303)
    response = redirect(entered.path, 303)
    set_cookie(response, PASS_COOKIE, entered.secret, timedelta(days=30))
    return response


def _portal() -> str:
    """The portal's origin as browsers write it: in small letters, the scheme's own port left out."""
    found = urlsplit(services.settings.portal.url.lower())
    port = {"https": ":443", "http": ":80"}[found.scheme]
    return f"{found.scheme}://{found.netloc.removesuffix(port)}"


def _uuid() -> str:
    uuid = request.headers.get(SESSION, "")
    if not _UUID.match(uuid):
        abort(404)
    return uuid


def _incoming() -> Incoming:
    headers = request.headers
    return Incoming(
        origin=headers.get("Origin", ""),
        site=headers.get("Sec-Fetch-Site", ""),
        mode=headers.get("Sec-Fetch-Mode", ""),
        dest=headers.get("Sec-Fetch-Dest", ""),
        method=headers.get("X-Original-Method", ""),
        upgrade=bool(headers.get("X-Original-Upgrade")),
    )
