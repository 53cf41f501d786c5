"""Pages of sessions: the cards, one session, and what one does with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from flask import Blueprint, Flask, abort, redirect, render_template, request
from werkzeug.wrappers import Response

from sciserver_hpc.domain.app_fields import Value
from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.errors import NotFound
from sciserver_hpc.domain.jobs import JobEvent

from .guard import Access, allow, person
from .security import USER_FILE_POLICY
from .services import services
from .session_cards import Card, cards, mine, tail

bp = Blueprint("sessions", __name__)
PAGE = Access(page=True)
WHOLE_LIMIT = timedelta(days=366)
"""More than any session lasts: as far as the limit lets."""


def init_app(app: Flask) -> None:
    """Let templates know whether the site has sessions."""
    app.jinja_env.globals.update(has_sessions=has_sessions)


def has_sessions() -> bool:
    """Does this site have sessions?"""
    return bool(services.settings.sessions.domain)


def need_sessions() -> None:
    """Answer 404 where there are none."""
    if not has_sessions():
        abort(404)


bp.before_request(need_sessions)


@bp.get("/sessions")
@allow(PAGE)
def all_cards() -> str:
    """Mine, and apart those shared with me."""
    shared = cards(services.sessions.shared(person()))
    return render_template("sessions.html", mine=mine(), shared=shared)


@bp.get("/sessions/<int:job_id>")
@allow(PAGE)
def one(job_id: int) -> str:
    """One session: its card, its history, what was asked."""
    return shown(job_id)


def shown(job_id: int, note: str = "") -> str:
    """The page of a session that the asker may see. note: what to tell beside. Raises NotFound."""
    found = services.sessions.get(person(), job_id)
    [card], app = cards([found]), found[0].spec.app
    return render_template(
        "session.html",
        card=card,
        note=note,
        events=_events(card),
        tail=tail(card),
        filled=_filled(app, card.view.values) if app and card.own else [],
    )


@bp.get("/sessions/apps/<app>/icon.svg")
@allow(PAGE)
def icon(app: str) -> Response:
    """An app's icon, for `<img>`: a document of its own could hold scripts."""
    response = Response(services.sessions.icon(app), mimetype="image/svg+xml")
    response.headers["Content-Security-Policy"] = USER_FILE_POLICY
    response.headers["Cache-Control"] = "private, max-age=300"
    return response


@bp.post("/sessions/<int:job_id>/extend")
@allow(PAGE)
def extend(job_id: int) -> Response:
    """Move its end: by minutes, or as far as the limit lets."""
    asked = request.form.get("minutes", "")
    by = timedelta(minutes=int(asked)) if asked in ("30", "60") else WHOLE_LIMIT
    services.sessions.extend(person(), job_id, by)
    return _back(job_id)


@bp.post("/sessions/<int:job_id>/stop")
@allow(PAGE)
def stop(job_id: int) -> Response:
    """Ask for its end."""
    services.sessions.stop(person(), job_id)
    return _back(job_id)


@bp.post("/sessions/<int:job_id>/again")
@allow(PAGE)
def again(job_id: int) -> Response:
    """The same once more."""
    return redirect(f"/sessions/{services.sessions.again(person(), job_id).id}", 303)


@bp.post("/sessions/<int:job_id>/forget")
@allow(PAGE)
def forget(job_id: int) -> Response:
    """Take the card of an ended one away."""
    services.sessions.forget(person(), job_id)
    return redirect("/sessions", 303)


def _back(job_id: int) -> Response:
    """Where the button stood: the cards, home or the session's own page."""
    place = {"cards": "/sessions", "home": "/"}.get(request.form.get("from", ""), f"/sessions/{job_id}")
    return redirect(place, 303)


def _events(card: Card) -> list[JobEvent]:
    """Its history, for those who may read its job too."""
    try:
        return list(services.jobs.events(person(), card.id))
    except NotFound:
        return []


def _filled(app: App, values: Mapping[str, Value]) -> list[tuple[str, str]]:
    """What the app's form says, as it was read: labels and words."""
    words: list[tuple[str, str]] = []
    for field in app.form:
        if field.name in values:
            value = values[field.name]
            option = next((one for one in field.options if one.value == value), None)
            text = ("no", "yes")[value] if isinstance(value, bool) else str(value)
            words.append((field.label, option.label or option.value if option else text))
    return words
