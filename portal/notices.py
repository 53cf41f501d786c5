"""What is down, told on every page: the broker leaves notes on itself and each cluster; we read them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from flask_login import current_user

from sciserver_hpc.domain.errors import Unavailable

from .services import services

SILENT = timedelta(minutes=2)
"""A broker that said nothing for so long does not work."""


def init_app(app: Flask) -> None:
    """Offer `outages()` to templates."""
    app.jinja_env.globals["outages"] = outages


def outages() -> list[dict[str, str]]:
    """Systems that do not answer, as {system, text}; the database itself when its notes cannot be read."""
    try:
        if not current_user.is_authenticated:
            return []
        notes = services.store.notes()
    except Unavailable as error:
        return [{"system": error.system, "text": str(error)}]
    return told(notes, services.clock.now())


def told(notes: dict[str, dict[str, Any]], now: datetime) -> list[dict[str, str]]:
    """The outages that `notes` tell of."""
    found = [
        {
            "system": f"Cluster {key.partition(':')[2]}",
            "text": str(note.get("problem") or "It does not answer."),
        }
        for key, note in sorted(notes.items())
        if key.startswith("cluster:") and note.get("ok") is False
    ]
    last = notes.get("broker", {}).get("at")
    if last and now - datetime.fromisoformat(last) > SILENT:
        found.append({"system": "The broker", "text": f"It was last heard of at {last}."})
    return found
