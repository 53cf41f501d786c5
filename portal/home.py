"""The first page: what runs, what happened today, what to do next."""

from __future__ import annotations

from flask import Blueprint, render_template

from sciserver_hpc.domain.states import ACTIVE

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


def _jobs(**wanted: object) -> list[object]:
    nothing = {"states": None, "domain": None, "name": None, "after": None, "before": None, "before_id": None}
    return [shown(job) for job in services.jobs.list(person(), **(nothing | wanted), limit=MOST)]
