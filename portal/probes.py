"""Questions of machines: does the process live, can it work, what has it counted."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from sciserver_hpc.domain.errors import Unavailable

from . import metrics
from .guard import Access, allow
from .notices import told
from .services import services

bp = Blueprint("probes", __name__)


@bp.get("/healthz")
@allow(Access(public=True))
def healthz() -> Response:
    """The process lives."""
    return jsonify(status="ok")


@bp.get("/readyz")
@allow(Access(public=True))
def readyz() -> tuple[Response, int]:
    """The database answers; what else is down is told, and keeps nobody from reading what is known."""
    try:
        detail: dict[str, Any] = {"database": services.store.ping(), "notes": services.store.notes()}
        detail["outages"] = told(detail["notes"], services.clock.now())
    except Unavailable as error:
        return jsonify(status="down", database=str(error)), 503
    return jsonify(status="ready", **detail), 200


@bp.get("/metrics")
@allow(Access(public=True))
def prometheus() -> Response:
    """Prometheus' text form; without what the database knows while that is away."""
    try:
        notes = services.store.notes()
    except Unavailable:
        notes = {}
    return Response(metrics.exposition(notes), mimetype="text/plain; version=0.0.4")
