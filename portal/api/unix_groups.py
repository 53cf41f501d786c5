"""Groups of the portal as Unix groups."""

from __future__ import annotations

from sciserver_hpc.services.unix_groups import UnixGroupSeen

from ..guard import asker, person
from ..services import services
from .access_models import UnixGroupRequest
from .groups import ONE, READ, WRITE
from .routes import Route, body


def unix_group(name: str) -> UnixGroupSeen:
    """Where it stands."""
    return services.unix_groups.of(person(), name)


def set_unix_group(name: str) -> UnixGroupSeen:
    """Have one, or none any more."""
    return services.unix_groups.ask(asker(), name, body(UnixGroupRequest).on)


ROUTES = (
    Route(
        "GET",
        f"{ONE}/unix",
        unix_group,
        READ,
        "Whether a group is a Unix group, and whom files name for it; for its members.",
        answer=UnixGroupSeen,
    ),
    Route(
        "POST",
        f"{ONE}/unix",
        set_unix_group,
        WRITE,
        "Let a group be a Unix group, or no more; for its owner. The answer tells how far it is.",
        body=UnixGroupRequest,
        answer=UnixGroupSeen,
    ),
)
