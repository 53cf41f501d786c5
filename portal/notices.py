"""What is down, told on every page: the broker keeps a note per system, we show those that say so."""

from __future__ import annotations

from typing import Any

from flask import Flask, request
from flask_login import current_user

from sciserver_hpc.domain.errors import Unavailable

from .services import services


def init_app(app: Flask) -> None:
    """Offer `outages()` to templates."""
    app.jinja_env.globals["outages"] = outages


def outages() -> list[dict[str, Any]]:
    """Systems that do not answer, as {system, text}; the database itself when its notes cannot be read."""
    if request.endpoint == "static" or not current_user.is_authenticated:
        return []
    try:
        notes = services.store.notes()
    except Unavailable as error:
        return [{"system": error.system, "text": str(error)}]
    return [
        {"system": key.removeprefix("down:"), "text": str(note.get("text", "does not answer"))}
        for key, note in sorted(notes.items())
        if key.startswith("down:") and note.get("down", True)
    ]
