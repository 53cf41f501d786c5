"""How far the filesystem follows the grants on a user volume."""

from __future__ import annotations

from sciserver_hpc.services.disk import Disk

from ..guard import person
from ..services import services
from .access_models import OnQuery
from .routes import Route, query
from .sharing import READ


def grants_applied() -> Disk:
    """State of a volume and of grants on it."""
    asked = query(OnQuery)
    return services.disks.of(person(), asked.resource, asked.after, asked.limit)


ROUTES = (
    Route(
        "GET",
        "/grants/applied",
        grants_applied,
        READ,
        "How far the filesystem follows the grants on a user volume, for those who may share it; those it is "
        "shared with are told of what reaches them.",
        query=OnQuery,
        answer=Disk,
    ),
)
