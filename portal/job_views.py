"""Jobs as pages and API show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sciserver_hpc.domain.explain import explain
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.views import JobView, view

from .guard import person
from .services import services

if TYPE_CHECKING:
    from .api.models import JobsQuery


def shown(job: Job) -> JobView:
    """`job` with its sentence."""
    return view(job, explain(job, services.clock.now()))


def page(asked: JobsQuery, limit: int) -> tuple[tuple[JobView, ...], int | None]:
    """At most `limit` of the asker's jobs, and the id to go on before; None when there are no more.

    One more than asked for is read to know whether there are.
    """
    found = services.jobs.list(
        person(),
        states=asked.state or None,
        domain=asked.domain,
        name=asked.name,
        after=asked.after,
        before=asked.before,
        before_id=asked.before_id,
        limit=limit + 1,
    )
    jobs = found[:limit]
    return tuple(map(shown, jobs)), jobs[-1].id if len(found) > limit else None
