"""The first page: what runs, what happened today, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, render_template

from sciserver_hpc.domain.states import ACTIVE, JobState
from sciserver_hpc.domain.views import JobView

from .guard import Access, allow, person
from .job_views import shown
from .services import services

bp = Blueprint("home", __name__)
MOST = 20
"""Jobs shown of each kind; the table has the rest."""


@bp.get("/")
@allow(Access(page=True))
def home() -> str:
    """Active jobs and those that ended of today's."""
    midnight = services.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    active = _jobs(states=ACTIVE)
    today = [job for job in _jobs(after=midnight) if job.state.final]
    ever = bool(active or today) or bool(_jobs())
    return render_template("home.html", active=active, today=today, ever=ever)


def _jobs(states: Sequence[JobState] | None = None, after: datetime | None = None) -> list[JobView]:
    return [shown(job) for job in services.jobs.list(person(), states=states, after=after, limit=MOST)]
