"""REST API, version 1: thin views in a route table, from which the OpenAPI document is made."""

from __future__ import annotations

from flask import Blueprint

from . import (
    administration,
    arrays,
    audit,
    catalogue,
    claim,
    disk,
    document,
    files,
    groups,
    jobs,
    memberships,
    notifications,
    service_accounts,
    sessions,
    sharing,
    support,
    tokens,
    unix_groups,
)
from .routes import Route, register

ROUTES: tuple[Route, ...] = (
    *tokens.ROUTES,
    *notifications.ROUTES,
    *catalogue.ROUTES,
    *jobs.ROUTES,
    *arrays.ROUTES,
    *sessions.ROUTES,
    *files.ROUTES,
    *groups.ROUTES,
    *memberships.ROUTES,
    *unix_groups.ROUTES,
    *service_accounts.ROUTES,
    *sharing.ROUTES,
    *disk.ROUTES,
    *audit.ROUTES,
    *administration.ROUTES,
    *support.ROUTES,
    *claim.ROUTES,
    *document.ROUTES,
)

bp = Blueprint("api", __name__, url_prefix="/api/v1")
register(bp, ROUTES)
document.describe(ROUTES)
