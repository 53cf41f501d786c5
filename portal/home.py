"""The first page: what runs, what happened today, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, render_template

from sciserver_hpc.domain.jobs import Kind
from sciserver_hpc.domain.listing import Sought
from sciserver_hpc.domain.states import ACTIVE, JobState
from sciserver_hpc.domain.views import JobView

from .guard import Access, allow, person
from .job_views import shown
from .services import services
from .session_cards import Card, mine
from .sessions import has_sessions

bp = Blueprint("home", __name__)
MOST = 20
"""Jobs shown of each kind; the table has the rest."""

LOOKED_THROUGH = 200
"""Jobs among which one is looked for that is no session."""


@bp.get("/")
@allow(Access(page=True))
def home() -> str:
    """My sessions, active jobs and those that ended of today's."""
    midnight = services.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    active = _jobs(states=ACTIVE)
    today = [job for job in _jobs(after=midnight) if job.state.final]
    ever = bool(active or today) or bool(_jobs(limit=LOOKED_THROUGH))
    cards = [card for card in mine() if not card.over or _since(card, midnight)] if has_sessions() else []
    return render_template("home.html", active=active, today=today, ever=ever, sessions=cards)


def _since(card: Card, moment: datetime) -> bool:
    ended = card.view.job.ended_at
    return ended is not None and ended >= moment


def _jobs(
    states: Sequence[JobState] | None = None, after: datetime | None = None, limit: int = MOST
) -> list[JobView]:
    """Jobs that are no sessions: these have cards."""
    found = services.jobs.list(person(), Sought(states=states, after=after), limit=limit)
    return [shown(job) for job in found.jobs if job.kind is not Kind.SESSION]
