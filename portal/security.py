"""Headers that every answer carries, and the id that names a request in logs and errors."""

from __future__ import annotations

import re
import secrets

from flask import Flask, Response, g, request

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""For the portal's own pages: nothing inline, nothing from elsewhere."""

USER_FILE_POLICY = "sandbox; default-src 'none'; img-src data:; frame-ancestors 'none'"
"""For anything a job or a user wrote: an origin of its own, no script, no form, no request."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=31536000"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


def init_app(app: Flask) -> None:
    """Give each request an id and each answer its headers."""
    app.before_request(_name_request)
    app.after_request(_add_headers)


def request_id() -> str:
    """The current request's id."""
    return str(g.get("request_id", ""))


def _name_request() -> None:
    """Take the proxy's id when it looks like one, so that its log and ours can be joined."""
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.match(given) else secrets.token_hex(8)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Request-ID"] = request_id()
    return response
