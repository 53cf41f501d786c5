"""The page of volumes: mine with who may use them, those shared with me, data sets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from flask import Blueprint, render_template

from sciserver_hpc.domain.access import ACTIONS, Action, ResourceKind, Subject
from sciserver_hpc.domain.sharing import Share

from .guard import Access, allow, person
from .services import services

bp = Blueprint("volumes", __name__)


@bp.get("/volumes")
@allow(Access(page=True))
def table() -> str:
    """All volumes I may mount."""
    now = services.clock.now()
    mine = [(volume, _holders(shares, now)) for volume, shares in services.sharing.on_own_volumes(person())]
    own = {volume.ref for volume, _ in mine}
    offered = [one for one in services.catalogue.volumes(person()) if one.volume not in own]
    return render_template(
        "volumes.html",
        mine=mine,
        shared=[one for one in offered if one.kind == ResourceKind.USER_VOLUME],
        data=[one for one in offered if one.kind == ResourceKind.DATA_VOLUME],
    )


def _holders(shares: Iterable[Share], now: datetime) -> list[tuple[Subject, list[Action]]]:
    """Who may do what now."""
    found: dict[Subject, list[Action]] = {}
    for grant in (share.grant for share in shares):
        if grant.lives(now) and grant.action not in found.get(grant.subject, ()):
            found.setdefault(grant.subject, []).append(grant.action)
    order = list(ACTIONS[ResourceKind.USER_VOLUME])
    return [(subject, sorted(actions, key=order.index)) for subject, actions in found.items()]
