"""The audit trail, in pages and as a file."""

from __future__ import annotations

from flask import Response

from sciserver_hpc.domain.access import Resource, ResourceKind
from sciserver_hpc.domain.audit import Sieve
from sciserver_hpc.domain.tokens import Scope

from ..guard import Access, holds, need, person
from ..services import services
from .access_models import AuditAnswer, AuditQuery, ExportQuery
from .routes import Route, query

LINES = "application/x-ndjson"


def audit() -> AuditAnswer:
    """A page of the trail."""
    asked = query(AuditQuery)
    found = services.audit.entries(
        person(), asked.resource, asked.before, asked.limit + 1, _sieve(asked.resource)
    )
    page = found[: asked.limit]
    return AuditAnswer(entries=tuple(page), next=page[-1].id if len(found) > len(page) else None)


def export_audit() -> Response:
    """All of it, a JSON object a line."""
    on = query(ExportQuery).resource
    entries = services.audit.export(person(), on, _sieve(on))
    response = Response((f"{entry.model_dump_json()}\n" for entry in entries), mimetype=LINES)
    response.headers["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
    return response


def _sieve(on: Resource | None) -> Sieve:
    """Who is in a group, `groups:read` tells; without it the lines that name members are left out."""
    if on is not None and on.kind is ResourceKind.GROUP:
        need(Scope.GROUPS_READ)
    return Sieve(members=holds(Scope.GROUPS_READ))


READ = Access(scope=Scope.GRANTS_READ)
ROUTES = (
    Route(
        "GET",
        "/audit",
        audit,
        READ,
        "What was done with groups and grants, newest first: one thing's for its owner, or all about me.",
        query=AuditQuery,
        answer=AuditAnswer,
    ),
    Route(
        "GET",
        "/audit/export",
        export_audit,
        READ,
        "The same, whole, one JSON object a line.",
        query=ExportQuery,
        media=LINES,
    ),
)
