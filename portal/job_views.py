"""A job as pages and API show it."""

from __future__ import annotations

from typing import Any

from sciserver_hpc.domain.errors import NotFound
from sciserver_hpc.domain.explain import explain
from sciserver_hpc.domain.jobs import Job, JobRequest, JobSpec
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.views import JobView, MountView, view
from sciserver_hpc.domain.volumes import Mode

from .services import services


def shown(job: Job) -> JobView:
    """`job` with its sentence."""
    return view(job, explain(job, services.clock.now()))


def request_of(person: Person, job_id: int) -> JobRequest:
    """What was asked for when the job was submitted.

    Raises NotFound.
    """
    services.jobs.get(person, job_id)
    text = services.store.request(job_id)
    if text is None:
        raise NotFound("What was asked for is no longer kept; make a new job.")
    return JobRequest.model_validate_json(text)


def submission(person: Person, job_id: int) -> Any:
    """The job's options and script as Slurm got them."""
    return services.jobs.script(person, job_id)


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
