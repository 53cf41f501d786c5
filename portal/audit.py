"""The audit trail: what I did and what was done about me and mine; all of it with the power read_audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, Response, render_template, request

from sciserver_hpc.domain.access import Resource, ResourceKind
from sciserver_hpc.domain.audit import Sieve
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.services.audit import ALL

from .api.audit import LINES
from .deeds import DEEDS
from .guard import Access, allow, person
from .rights import THINGS, thing
from .services import services

bp = Blueprint("audit", __name__)
PAGE = Access(page=True)
PER_PAGE = 50
FIELDS = ("who", "act", "kind", "name", "from", "to")
"""Filters in the URL."""


@dataclass(frozen=True)
class Asked:
    """What the filters of the URL ask for."""

    on: Resource | None = None
    sieve: Sieve = ALL


@bp.get("/audit")
@allow(PAGE)
def trail() -> tuple[str, int]:
    """A page of it, newest first; a filter that cannot be read is told, and nothing is filtered by it."""
    kept = {key: request.args[key] for key in FIELDS if request.args.get(key)}
    problems: dict[str, str] = {}
    try:
        asked = filters(kept)
    except Invalid as error:
        asked, problems = Asked(), error.problems
    found = services.audit.entries(
        person(), asked.on, request.args.get("before", type=int), PER_PAGE + 1, asked.sieve
    )
    page = found[:PER_PAGE]
    shown = render_template(
        "audit.html",
        entries=page,
        older=page[-1].id if len(found) > PER_PAGE else None,
        kept=kept,
        problems=problems,
    )
    return shown, 422 if problems else 200


@bp.get("/audit/export")
@allow(PAGE)
def export() -> Response:
    """All that the filters let through, a JSON object a line. Raises Invalid."""
    asked = filters({key: request.args[key] for key in FIELDS if request.args.get(key)})
    entries = services.audit.export(person(), asked.on, asked.sieve)
    response = Response((f"{entry.model_dump_json()}\n" for entry in entries), mimetype=LINES)
    response.headers["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
    return response


def filters(kept: Mapping[str, str]) -> Asked:
    """Read them. Raises Invalid naming each that cannot be; NotFound for what can be no thing."""
    problems = {
        field: "give both the kind of thing and its name"
        for field, other in (("kind", "name"), ("name", "kind"))
        if other in kept and field not in kept
    }
    if kept.get("kind", ResourceKind.JOB) not in THINGS:
        problems["kind"] = "there is no such kind"
    if kept.get("act", "grant") not in DEEDS:
        problems["act"] = "nothing is called so"
    days = {field: _day(kept[field]) for field in ("from", "to") if field in kept}
    problems |= {field: "write a day, as in 2026-01-31" for field, day in days.items() if day is None}
    if problems:
        raise Invalid(problems)
    start, end = days.get("from"), days.get("to")
    sieve = Sieve(
        who=kept.get("who", "").strip() or None,
        act=kept.get("act"),
        since=start,
        until=end + timedelta(days=1) if end else None,
    )
    return Asked(thing(kept["kind"], kept["name"].strip()) if "kind" in kept else None, sieve)


def _day(text: str) -> datetime | None:
    """The begin of a day, UTC."""
    try:
        day = date.fromisoformat(text)
        return datetime.combine(day, time(), UTC) if day < date.max else None
    except ValueError:
        return None
