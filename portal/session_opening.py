"""From the portal to a session's own origin: a ticket in a form, which the browser sends there."""

from __future__ import annotations

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from sciserver_hpc.domain.errors import Conflict
from sciserver_hpc.domain.sessions import SessionMode

from .guard import Access, allow, login_token, person
from .security import POLICY
from .services import services
from .sessions import need_sessions, shown

bp = Blueprint("session_opening", __name__)
bp.before_request(need_sessions)
NOTE = "Its address alone lets nobody in. Open it from here while it is open."


@bp.post("/sessions/<int:job_id>/open")
@allow(Access(page=True, own_login=True))
def enter(job_id: int) -> Response:
    """A page that sends a ticket to the session's origin; where nobody can come in now, its card."""
    mode = SessionMode.VIEW if request.form.get("mode") == SessionMode.VIEW else SessionMode.USE
    try:
        job, ticket = services.admitting.ticket(person(), login_token(), job_id, mode)
    except Conflict:
        return make_response(shown(job_id), 409)
    origin = services.session_origin(job.uuid)
    page = render_template("session_open.html", job=job, ticket=ticket, origin=origin)
    response = make_response(page)
    response.headers["Content-Security-Policy"] = policy(origin)
    response.headers["Referrer-Policy"] = "strict-origin"  # without it the form would bring `Origin: null`
    return response


def policy(origin: str) -> str:
    """The portal's, with forms to this session alone; 'self' is where it sends whose ticket is too old:
    browsers hold redirects after a form to the same rule."""
    return POLICY.replace("form-action 'self'", f"form-action 'self' {origin}")


@bp.get("/sessions/at/<uuid>")
@allow(Access(page=True))
def at(uuid: str) -> str:
    """Where those are sent who come to a session's origin without a pass. Raises NotFound."""
    return shown(services.sessions.by_uuid(person(), uuid)[0].id, NOTE)
