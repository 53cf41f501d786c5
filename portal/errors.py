"""Errors as answers: JSON for the API, a page for people; one table from error to status."""

from __future__ import annotations

from http import HTTPStatus
from typing import IO, Any

import structlog
from flask import Flask, current_app, jsonify, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from sciserver_hpc.domain.errors import (
    AgentError,
    BadCredentials,
    Conflict,
    Invalid,
    LockedOut,
    NotFound,
    Refused,
    SciServerError,
    Unavailable,
)

from .security import request_id

STATUS: dict[type[SciServerError], int] = {
    Invalid: 422,
    Refused: 403,
    NotFound: 404,
    Conflict: 409,
    BadCredentials: 401,
    LockedOut: 429,
    Unavailable: 503,
}
AGENT_STATUS = {"not_found": 404, "denied": 403, "no_space": 507, "too_large": 413, "invalid": 422}
HTTP_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 413: "too_large", 422: "invalid"}
HTTP_SENTENCES = {
    400: "The request could not be read; is its body what its Content-Type says?",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The request is too large: 10 MB at most. Put data into a volume.",
    415: "Send JSON, with `Content-Type: application/json`.",
}
"""In place of the library's own words."""

_LIBRARY_ONLY = frozenset({415})
"""Raised by nobody of ours, with a description that is not the default one."""

READ_OUT = 32_000_000
"""Bytes of a refused body that are still taken, more than the proxy lets through."""

RETRY_S = 5
"""Seconds after which a caller may try a system again that did not answer."""

log = structlog.get_logger("portal")


def init_app(app: Flask) -> None:
    """Answer every error in the form its asker reads."""
    app.register_error_handler(SciServerError, _ours)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)
    app.after_request(_read_out)


def _read_out(response: Response) -> Response:
    """Take the rest of a body that nobody read, before the connection may close.

    A proxy that is still sending then tells its client 502 instead of the answer (RFC 9112, section 9.6).
    """
    body, left = _unread(), READ_OUT
    while left > 0 and (piece := body.read(min(left, 65_536))):
        left -= len(piece)
    return response


def _unread() -> IO[bytes]:
    """What is left of the request's body. It ends where its length says, also where the server's own stream
    would go on to wait for the client's next request."""
    try:
        return request.stream
    except RequestEntityTooLarge:  # told by its length, before anything was read
        return get_input_stream(request.environ)


def status_of(error: SciServerError) -> int:
    """The HTTP status for an error of the house."""
    if isinstance(error, AgentError):
        return AGENT_STATUS.get(error.reason, 409)
    return STATUS.get(type(error), 500)


def for_api() -> bool:
    """Whether the current request's asker is a program."""
    return request.path.startswith("/api/")


def body_of(error: SciServerError) -> dict[str, Any]:
    """What an answer tells of an error of the house, beside the request's id."""
    body: dict[str, Any] = {"code": error.code, "message": str(error)}
    if isinstance(error, Invalid):
        body["problems"] = error.problems
    if isinstance(error, Refused):
        body["items"] = error.items
    return body


def _ours(error: SciServerError) -> Response:
    response = _answer(status_of(error), body_of(error))
    wait = error.wait_s if isinstance(error, LockedOut) else RETRY_S
    if isinstance(error, (LockedOut, Unavailable)):
        response.headers["Retry-After"] = str(wait)
    return response


def _csrf(_: CSRFError) -> Response:
    message = "This form is too old or was not made by this site. Load the page again and send it once more."
    return _answer(400, {"code": "csrf", "message": message})


def _http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return make_response(error.get_response())
    code = HTTP_CODES.get(error.code) or HTTPStatus(error.code).name.lower()
    response = _answer(error.code, {"code": code, "message": _sentence(error, error.code)})
    for name in ("Allow", "Retry-After"):
        value = dict(error.get_headers()).get(name)
        if value:
            response.headers[name] = value
    return response


def _sentence(error: HTTPException, status: int) -> str:
    """Our words: those of the raiser, else of the table; the library's own are the last resort."""
    by_library = error.description in (None, type(error).description) or status in _LIBRARY_ONLY
    chosen = HTTP_SENTENCES.get(status) if by_library else None
    return chosen or error.description or HTTPStatus(status).phrase


def _unexpected(error: Exception) -> Response:
    if current_app.config["PROPAGATE_EXCEPTIONS"]:
        raise error
    log.exception("request_failed", request_id=request_id())
    message = "Something broke here, not at your side. Tell your administrator the request id."
    return _answer(500, {"code": "internal", "message": message})


def _answer(status: int, body: dict[str, Any]) -> Response:
    body = body | {"request_id": request_id()}
    if for_api():
        response = jsonify(error=body)
        if status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
    else:
        response = make_response(render_template("error.html", status=status, error=body))
    response.status_code = status
    return response
