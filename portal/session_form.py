"""The new-session form: choose an app, fill, see what will happen, keep what was filled, start."""

from __future__ import annotations

import secrets
from functools import partial

from flask import Blueprint, redirect, render_template, request
from pydantic import TypeAdapter, ValidationError
from werkzeug.wrappers import Response

from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.errors import (
    AgentError,
    Conflict,
    Invalid,
    NotFound,
    Refused,
    Unavailable,
)
from sciserver_hpc.domain.names import Slug
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.domain.sessions import SessionRequest

from .errors import status_of
from .guard import Access, allow, person
from .notebook import markdown_html
from .services import services
from .session_draft import Draft, bounds_of_fields, conditions, show
from .session_fields import PLACE, field_of, from_request, to_request
from .sessions import need_sessions
from .submitted_form import beside_fields, key_of, preview

bp = Blueprint("session_form", __name__)
bp.before_request(need_sessions)
bp.add_app_template_filter(conditions, "conditions")
bp.add_app_template_filter(bounds_of_fields, "bounds")
PAGE = Access(page=True)
EXPECTED = (Invalid, Refused, NotFound, Conflict, AgentError, Unavailable)
OF_FORM = ("csrf_token", "action", "remove_preset")
"""Fields that say what to do with the others."""

_KIND_AT = {"domain": PLACE, "image": PLACE, "volume": "volumes", "user": "volumes", "data": "volumes"}
"""First word of what was refused → the field where it was chosen."""

_NAME: TypeAdapter[str] = TypeAdapter(Slug)


@bp.get("/sessions/new")
@allow(PAGE)
def choose() -> str:
    """The apps as tiles, each with what one asked of it last."""
    apps = services.sessions.apps(person())
    return render_template(
        "session_apps.html",
        apps=[(app, markdown_html(app.card), _last(app) is not None) for app in apps],
        key=secrets.token_hex(8),
    )


@bp.get("/sessions/new/<app>")
@allow(PAGE)
def blank(app: str) -> tuple[str, int]:
    """The form: as an earlier session was asked for (`again`), as kept (`preset`), or as filled last."""
    chosen = services.sessions.app(person(), app)
    earlier, kept = request.args.get("again", type=int), request.args.get("preset")
    if earlier:
        asked: SessionRequest | None = services.sessions.request(person(), earlier)
    elif kept:
        asked = _kept(chosen, kept)
    else:
        asked = _last(chosen)
    return show(Draft(chosen, from_request(asked) if asked and asked.app == app else {}))


@bp.post("/sessions/new/<app>")
@allow(PAGE)
def send(app: str) -> Response | tuple[str, int]:
    """Start, or keep, or show what would happen; what was typed stays when something is wrong."""
    chosen = services.sessions.app(person(), app)
    draft = Draft(chosen, {key: text for key, text in request.form.items() if key not in OF_FORM})
    try:
        if removed := request.form.get("remove_preset"):
            services.sessions.remove_preset(person(), app, removed)
            draft.told = f"{removed} is removed."
            return show(draft)
        asked = _request(draft)
        if request.form.get("action") == "keep":
            _keep(draft, asked)
        elif request.form.get("action") == "preview":
            draft.preview = preview(asked.as_job())
        else:
            job = services.sessions.start(person(), asked, key_of(asked))
            return redirect(f"/sessions/{job.id}", 303)
    except EXPECTED as error:
        draft.problems = beside_fields(error, partial(field_of, chosen), _KIND_AT)
        draft.status = status_of(error)
    return show(draft)


@bp.post("/sessions/new/<app>/last")
@allow(PAGE)
def relaunch(app: str) -> Response:
    """Start it as it was asked for last, without a form."""
    asked = _last(services.sessions.app(person(), app))
    if asked is None:
        raise NotFound("You have started no session of this app yet.")
    job = services.sessions.start(person(), asked, key_of(asked))
    return redirect(f"/sessions/{job.id}", 303)


def _last(app: App) -> SessionRequest | None:
    """Of a session whose request is no longer kept, or cannot be read any more, nothing is remembered."""
    try:
        return services.sessions.last(person(), app.name)
    except (NotFound, Invalid):
        return None


def _kept(app: App, name: str) -> SessionRequest:
    text = services.sessions.presets(person(), app.name).get(name)
    if text is None:
        raise NotFound("You keep no form of this name.")
    try:
        return SessionRequest.model_validate_json(text)
    except ValidationError as error:
        raise Invalid(problems(error)) from error


def _request(draft: Draft) -> SessionRequest:
    try:
        return SessionRequest.model_validate(to_request(draft.app, draft.fields))
    except ValidationError as error:
        raise Invalid(problems(error)) from error


def _keep(draft: Draft, asked: SessionRequest) -> None:
    """Raises Invalid."""
    try:
        name = _NAME.validate_python(draft.fields.get("preset", "").strip())
    except ValidationError as error:
        words = "give a name: letters, digits and ._-, a letter or digit first, 64 at most"
        raise Invalid({"preset": words}) from error
    services.sessions.keep_preset(person(), name, asked)
    draft.told = f"Kept as {name}."
