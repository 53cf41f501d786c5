"""One line per request: who, which route, what came of it, how long. Never a query string or a body."""

from __future__ import annotations

import time

import structlog
from flask import Flask, Response, g, request

from .security import request_id

log = structlog.get_logger("portal.access")


def init_app(app: Flask) -> None:
    """Log when a request ends."""
    app.before_request(_start)
    app.after_request(_write)


def elapsed_s() -> float:
    """Seconds since the request came in."""
    return time.perf_counter() - float(g.get("started", time.perf_counter()))


def route() -> str:
    """The rule that matched, so that ids do not multiply; `-` when none did."""
    return request.url_rule.rule if request.url_rule else "-"


def _start() -> None:
    g.started = time.perf_counter()


def _write(response: Response) -> Response:
    log.info(
        "request",
        request_id=request_id(),
        user=g.get("user", "-"),
        **({"looks_as": g.looks_as} if "looks_as" in g else {}),
        method=request.method,
        route=route(),
        status=response.status_code,
        ms=round(elapsed_s() * 1000, 1),
    )
    return response
