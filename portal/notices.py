"""What every page tells: how many invitations wait for an answer, and what is down. Broker and logins leave
notes on what they met; we read them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from flask import Flask, g
from flask_login import current_user

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.services.watched_directory import NOTE as DIRECTORY

from .services import services

SILENT = timedelta(minutes=2)
"""A broker that said nothing for so long does not work."""

STALE = timedelta(minutes=5)
"""A note on an outage that nobody renewed for so long accuses no more: its system may have been mended, or be
in the settings no longer. Clusters are asked each few seconds, a silent directory each minute in which
somebody uses the portal."""

WAITS = "What you see is what was last known; new work waits and is not lost."
KINDS = {
    "cluster": ("Cluster {}", WAITS),
    "accounting": (
        "Accounting of cluster {}",
        "Jobs start, run and end all the same. What ended jobs used may be missing, and the end of a job "
        "that the queue shows no more is told late.",
    ),
    DIRECTORY: (
        "The directory of people",
        "Who is logged in goes on, and so do jobs; new logins wait until it answers.",
    ),
}
"""First part of a note's key → what is away, and what works all the same."""


def init_app(app: Flask) -> None:
    """Offer `outages()` and `invitations_waiting()` to templates."""
    app.jinja_env.globals.update(outages=outages, invitations_waiting=invitations_waiting)


def invitations_waiting() -> int:
    """How many wait for who is logged in, asked once a page; 0 while the database is away."""
    if not current_user.is_authenticated:
        return 0
    if "invitations" not in g:
        try:
            g.invitations = services.groups.waiting(current_user.person)
        except Unavailable:
            g.invitations = 0
    return cast(int, g.invitations)


def outages() -> list[dict[str, str]]:
    """Systems that do not answer, as {system, text, meanwhile}; the database when its notes cannot be read.

    Who is not logged in learns only what concerns a login, and no system's own words.
    """
    known = current_user.is_authenticated
    try:
        found = told(services.store.notes(), services.clock.now())
    except Unavailable as error:
        meanwhile = "Jobs go on; these pages come back with it."
        return [{"system": "The database", "text": str(error) if known else "", "meanwhile": meanwhile}]
    return found if known else [one | {"text": ""} for one in found if one["system"] == KINDS[DIRECTORY][0]]


def told(notes: dict[str, dict[str, Any]], now: datetime) -> list[dict[str, str]]:
    """The outages that `notes` tell of."""
    found = []
    for kind, (system, meanwhile) in KINDS.items():
        for key, note in sorted(notes.items()):
            if key.partition(":")[0] == kind and not note["ok"] and _age(note, now) < STALE:
                name = system.format(key.partition(":")[2])
                found.append({"system": name, "text": note["problem"], "meanwhile": meanwhile})
    broker = notes.get("broker")
    if broker and _age(broker, now) > SILENT:
        text = f"It was last heard of at {broker['at']}"
        found.append({"system": "The broker", "text": text, "meanwhile": WAITS})
    return found


def _age(note: dict[str, Any], now: datetime) -> timedelta:
    return now - datetime.fromisoformat(note["at"])
