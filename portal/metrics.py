"""Counts and latencies of requests for Prometheus, right under several gunicorn workers too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Flask, Response, request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from .access_log import elapsed_s, route

REQUESTS = Counter("sciserver_http_requests_total", "Requests answered.", ["method", "route", "status"])
LATENCY = Histogram("sciserver_http_request_seconds", "Time to answer.", ["method", "route"])


def init_app(app: Flask) -> None:
    """Count when a request ends."""
    app.after_request(_count)


def exposition(notes: Mapping[str, Mapping[str, Any]]) -> bytes:
    """All workers' metrics in Prometheus' text form, and what the broker and the clusters left in `notes`.

    Several workers share files in the directory `PROMETHEUS_MULTIPROC_DIR` names.
    """
    told = generate_latest(_of_notes(notes))
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY) + told
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + told


def _of_notes(notes: Mapping[str, Mapping[str, Any]]) -> CollectorRegistry:
    """The broker has no port of its own: its numbers are read from where it leaves word for the pages."""
    registry = CollectorRegistry()
    up = Gauge("sciserver_cluster_up", "The cluster answers the broker.", ["cluster"], registry=registry)
    accounting = Gauge("sciserver_accounting_up", "Its accounting does.", ["cluster"], registry=registry)
    for key, note in notes.items():
        kind, _, name = key.partition(":")
        if kind in ("cluster", "accounting"):
            (up if kind == "cluster" else accounting).labels(name).set(note["ok"])
    broker = notes.get("broker")
    if broker:
        turn = Gauge("sciserver_broker_tick_seconds", "Length of the last turn.", registry=registry)
        turn.set(broker["tick_s"])
        active = Gauge("sciserver_broker_active_jobs", "Jobs in the last turn.", registry=registry)
        active.set(broker["active"])
        at = Gauge("sciserver_broker_last_tick_timestamp_seconds", "When it was.", registry=registry)
        at.set(datetime.fromisoformat(broker["at"]).timestamp())
    return registry


def _count(response: Response) -> Response:
    REQUESTS.labels(request.method, route(), response.status_code).inc()
    LATENCY.labels(request.method, route()).observe(elapsed_s())
    return response
