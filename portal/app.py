"""Put the Flask application together."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from . import (
    access_log,
    administration,
    api,
    arrays,
    audit,
    declaration,
    deeds,
    errors,
    filters,
    group_changes,
    groups,
    guard,
    home,
    job_files,
    job_form,
    jobs,
    login,
    me,
    metrics,
    notices,
    notifications,
    probes,
    rights,
    security,
    service_accounts,
    session_form,
    session_opening,
    session_origin,
    sessions,
    shares,
    sharing,
    support,
    volumes,
    why,
)
from .services import EXTENSION

if TYPE_CHECKING:
    from sciserver_hpc.wiring import Services

MAX_BODY = 10_000_000
"""Bytes of a request's body: a notebook of 8 MB and its form."""

BLUEPRINTS = (
    api.bp,
    probes.bp,
    login.bp,
    home.bp,
    jobs.bp,
    job_form.bp,
    arrays.bp,
    job_files.bp,
    volumes.bp,
    groups.bp,
    group_changes.bp,
    shares.bp,
    sharing.bp,
    why.bp,
    audit.bp,
    administration.bp,
    declaration.bp,
    support.bp,
    me.bp,
    notifications.bp,
    service_accounts.bp,
    sessions.bp,
    session_form.bp,
    session_opening.bp,
    session_origin.bp,
)

PARTS = (
    access_log,
    metrics,
    security,
    guard,
    errors,
    filters,
    rights,
    deeds,
    notices,
    administration,
    session_origin,
    sessions,
)
"""What every page and answer has of these, in this order."""


def create_app(services: Services) -> Flask:
    """Return the WSGI application that serves `services`.

    Raises RuntimeError when a route does not say who may use it.
    """
    app = Flask(__name__)
    app.extensions[EXTENSION] = services
    settings = services.settings.portal
    https = settings.url.startswith("https://")
    app.config.update(
        SECRET_KEY=_cookie_key(services.settings.secret("portal.secret_key_file")),
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        SESSION_COOKIE_NAME="__Host-form" if https else "sciserver-form",
        SESSION_COOKIE_SECURE=https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        LOGIN_COOKIE_NAME="__Host-login" if https else "sciserver-login",
        SUPPORT_COOKIE_NAME="__Host-support" if https else "sciserver-support",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=False,
        SEND_FILE_MAX_AGE_DEFAULT=300,
        TITLE=settings.title,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for part in PARTS:
        part.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    guard.refuse_unguarded(app)
    # One trusted proxy (nginx) tells the client's address, scheme and host.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    return app


def _cookie_key(secret: str | None) -> bytes:
    """A key of the cookies' own, so that no other use of the portal's secret can sign one."""
    if not secret:
        raise RuntimeError("the portal has no secret key; see portal.secret_key_file")
    return hmac.digest(secret.encode(), b"portal cookies", "sha256")
