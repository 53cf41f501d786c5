"""A job as pages and API show it."""

from __future__ import annotations

from sciserver_hpc.domain.explain import explain
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.views import JobView, view

from .services import services


def shown(job: Job) -> JobView:
    """`job` with its sentence."""
    return view(job, explain(job, services.clock.now()))
