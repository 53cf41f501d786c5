"""Jobs as pages and API show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sciserver_hpc.domain.explain import explain
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.listing import Found, Place, Sought
from sciserver_hpc.domain.views import JobView, view

from .guard import person
from .services import services

if TYPE_CHECKING:
    from .api.models import JobsQuery


def shown(job: Job) -> JobView:
    """`job` with its sentence."""
    return view(job, explain(job, services.clock.now()))


def page(asked: JobsQuery, limit: int, after_id: int | None = None) -> tuple[tuple[JobView, ...], Found]:
    """At most `limit` of the asker's jobs, and from where to go on."""
    sought = Sought(
        states=asked.state or None,
        domain=asked.domain,
        name=asked.name,
        after=asked.after,
        before=asked.before,
    )
    place = Place(asked.before_id if after_id is None else None, after_id)
    found = services.jobs.list(person(), sought, place, limit=limit, look=asked.look)
    return tuple(map(shown, found.jobs)), found
