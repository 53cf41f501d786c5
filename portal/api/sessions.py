"""Interactive sessions: start, look, extend, stop; the apps there are. They are opened in a browser alone."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, abort, request
from pydantic import Field

from sciserver_hpc.domain.app_resources import AppResources
from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.errors import NotFound
from sciserver_hpc.domain.model import Model
from sciserver_hpc.domain.session_views import SessionView
from sciserver_hpc.domain.sessions import SessionRequest
from sciserver_hpc.domain.tokens import Scope

from ..guard import Access, bearer, person
from ..services import services
from .claim import asked as claimed
from .jobs import KEY
from .models import ClaimRequest, MessageAnswer
from .routes import Route, body, query


class AppPlace(Model):
    """A compute domain where the asker may start the app, and the images there that hold it."""

    domain: str
    images: tuple[str, ...]


class AppView(Model):
    """An app as its form shows it.

    form: its fields, see `domain/app_fields.py`; resources: its own bounds and defaults, where it has any.
    """

    name: str
    version: str
    title: str
    description: str
    tested: bool
    form: tuple[dict[str, object], ...]
    resources: AppResources
    places: tuple[AppPlace, ...]


class AppsAnswer(Model):
    """The apps one may start."""

    apps: tuple[AppView, ...]


class SessionAnswer(Model):
    """One session."""

    session: SessionView


class SessionsAnswer(Model):
    """One's own sessions, newest first, and those of others that one may open now."""

    sessions: tuple[SessionView, ...]
    shared: tuple[SessionView, ...]


class StartQuery(Model):
    """`test_only`: ask the scheduler, start nothing."""

    test_only: bool = False


class ExtendRequest(Model):
    """By how long: in minutes."""

    minutes: int = Field(ge=1, le=100_000)


def list_apps() -> AppsAnswer:
    """What can be started."""
    return AppsAnswer(apps=tuple(_shown(app) for app in services.sessions.apps(person())))


def _shown(app: App) -> AppView:
    places = services.sessions.places(person(), app)
    return AppView(
        name=app.name,
        version=app.version,
        title=app.title,
        description=app.description,
        tested=app.tested,
        form=tuple(field.model_dump(mode="json", exclude_defaults=True) for field in app.form),
        resources=app.resources,
        places=tuple(
            AppPlace(domain=domain.name, images=tuple(image.name for image in images))
            for domain, images in places
        ),
    )


def start_session() -> Response | MessageAnswer:
    """Start one, or with `test_only` say when it would start."""
    how, wanted = query(StartQuery), body(SessionRequest)
    if how.test_only:
        return MessageAnswer(message=services.sessions.expected_start(person(), wanted))
    job = services.sessions.start(person(), wanted, request.headers.get(KEY))
    response = Response(_answer(job.id).model_dump_json(), 201)
    response.mimetype = "application/json"
    response.headers["Location"] = f"{request.path}/{job.id}"
    return response


def list_sessions() -> SessionsAnswer:
    """All cards."""
    mine, shared = services.sessions.list(person()), services.sessions.shared(person())
    return SessionsAnswer(
        sessions=tuple(services.sessions.shown(person(), mine)),
        shared=tuple(services.sessions.shown(person(), shared)),
    )


def session(job_id: int) -> SessionAnswer:
    """One card."""
    return _answer(job_id)


def stop_session(job_id: int) -> SessionAnswer:
    """Ask for its end."""
    services.sessions.stop(person(), job_id)
    return _answer(job_id)


def extend_session(job_id: int) -> SessionAnswer:
    """Move its end."""
    services.sessions.extend(person(), job_id, timedelta(minutes=body(ExtendRequest).minutes))
    return _answer(job_id)


def start_session_again(job_id: int) -> SessionAnswer:
    """The same once more, with the same volumes."""
    return _answer(services.sessions.again(person(), job_id).id)


def forget_session(job_id: int) -> SessionAnswer:
    """Take the card of an ended one away."""
    services.sessions.forget(person(), job_id)
    return _answer(job_id)


def session_ready() -> Response:
    """The word of a gate."""
    secret = bearer()
    if not secret:
        abort(401, "A session speaks with its job's own secret as a bearer token.")
    asked = claimed()
    if not services.sessions.knock(asked.uuid, secret, asked.slurm_id):
        raise NotFound("No session with this uuid and secret runs.")
    return Response("heard\n", mimetype="text/plain")


def _answer(job_id: int) -> SessionAnswer:
    [shown] = services.sessions.shown(person(), [services.sessions.get(person(), job_id)])
    return SessionAnswer(session=shown)


READ, WRITE = Access(scope=Scope.JOBS_READ), Access(scope=Scope.JOBS_WRITE)
ROUTES = (
    Route("GET", "/apps", list_apps, READ, "The apps I may start sessions of.", answer=AppsAnswer),
    Route(
        "POST",
        "/sessions",
        start_session,
        WRITE,
        "Start a session: 201. With `test_only=1` nothing is started; the answer says when it would.",
        body=SessionRequest,
        query=StartQuery,
        answer=SessionAnswer,
        status=201,
        headers=(KEY,),
    ),
    Route(
        "GET",
        "/sessions",
        list_sessions,
        READ,
        "My sessions, and those shared with me.",
        answer=SessionsAnswer,
    ),
    Route("GET", "/sessions/<int:job_id>", session, READ, "One session.", answer=SessionAnswer),
    Route(
        "POST", "/sessions/<int:job_id>/stop", stop_session, WRITE, "Stop a session.", answer=SessionAnswer
    ),
    Route(
        "POST",
        "/sessions/<int:job_id>/extend",
        extend_session,
        WRITE,
        "Move a session's end, as far as its domain allows.",
        body=ExtendRequest,
        answer=SessionAnswer,
    ),
    Route(
        "POST",
        "/sessions/<int:job_id>/again",
        start_session_again,
        WRITE,
        "Start an ended session again.",
        answer=SessionAnswer,
    ),
    Route(
        "POST",
        "/sessions/<int:job_id>/forget",
        forget_session,
        WRITE,
        "Take the card of an ended session away.",
        answer=SessionAnswer,
    ),
    Route(
        "POST",
        "/sessions/ready",
        session_ready,
        Access(public=True, csrf=False),
        "Told by a session's gate, with its job's own secret, once its app answers.",
        body=ClaimRequest,
        media="text/plain",
    ),
)
