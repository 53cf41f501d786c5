"""Counts and latencies of requests for Prometheus, right under several gunicorn workers too."""

from __future__ import annotations

import os

from flask import Flask, Response, request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from .access_log import elapsed_s, route

REQUESTS = Counter("sciserver_http_requests_total", "Requests answered.", ["method", "route", "status"])
LATENCY = Histogram("sciserver_http_request_seconds", "Time to answer.", ["method", "route"])


def init_app(app: Flask) -> None:
    """Count when a request ends."""
    app.after_request(_count)


def exposition() -> bytes:
    """All workers' metrics in Prometheus' text form.

    Several workers share files in the directory `PROMETHEUS_MULTIPROC_DIR` names.
    """
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _count(response: Response) -> Response:
    REQUESTS.labels(request.method, route(), response.status_code).inc()
    LATENCY.labels(request.method, route()).observe(elapsed_s())
    return response
