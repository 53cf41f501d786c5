"""A job as pages and API show it."""

from __future__ import annotations

from sciserver_hpc.domain.explain import explain
from sciserver_hpc.domain.jobs import Job, JobSpec
from sciserver_hpc.domain.views import JobView, MountView, view
from sciserver_hpc.domain.volumes import Mode

from .services import services


def shown(job: Job) -> JobView:
    """`job` with its sentence."""
    return view(job, explain(job, services.clock.now()))


def mounts(spec: JobSpec) -> tuple[MountView, ...]:
    """A spec's volumes as people see them: no host path."""
    return tuple(
        MountView(
            volume=mount.volume,
            mode=Mode.READ_WRITE if mount.writable else Mode.READ_ONLY,
            target=mount.target,
        )
        for mount in spec.mounts
    )
