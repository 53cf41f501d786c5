"""From a job's row and its kept request to what its owner's agent gets."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from ..domain.errors import Invalid, NotFound, SciServerError
from ..domain.jobs import Job, JobRequest, JobSpec
from ..domain.problems import problems
from ..domain.scheduling import Submission
from ..ports import Store
from ..render import Door, Surroundings, render
from .resolve import payload_files

log = structlog.get_logger(__name__)

HIDDEN = "(hidden)"
"""Stands where a preview would show the claim secret."""


@dataclass(frozen=True)
class Preview:
    """What Slurm would get: the resolved spec, sbatch's options and the wrapper script."""

    spec: JobSpec
    options: tuple[str, ...]
    script: str


@dataclass(frozen=True)
class Doors:
    """What guards sessions: `origin` of a uuid, `certificate` for a uuid (PEM), `ca` (PEM)."""

    origin: Callable[[str], str]
    certificate: Callable[[str], str]
    ca: Callable[[], str]


class Renderer:
    """Renders jobs. `claim_key`: the portal's key, from which each job's claim secret is derived; doors: None
    where the site has no sessions."""

    def __init__(
        self, store: Store, surroundings: Surroundings, claim_key: bytes, doors: Doors | None = None
    ) -> None:
        self._store = store
        self._surroundings = surroundings
        self._claim_key = claim_key
        self._doors = doors

    def submissions(
        self, wanted: Sequence[tuple[Job, Mapping[int, int]]]
    ) -> dict[str, Submission | SciServerError]:
        """By uuid what the owner's agent gets for each job, or why not (NotFound, Invalid, a defect).

        With each job the Slurm ids, by job id, of those to wait for there; its other dependencies are met.
        """
        texts = self._store.requests([job.id for job, _ in wanted])
        made: dict[str, Submission | SciServerError] = {}
        for job, slurm_ids in wanted:
            try:
                request = _read(job, texts.get(job.id))
                secret = self.claim_secret(job.uuid)
                made[job.uuid] = self._render(job, request, secret, slurm_ids, self._door(job))
            except SciServerError as error:
                made[job.uuid] = error
            except Exception:
                # A defect that one job meets must not keep the others of its batch from Slurm for ever.
                log.exception("job cannot be rendered", job=job.id)
                made[job.uuid] = SciServerError(f"job {job.id} met a defect here; tell an administrator")
        return made

    def without_secret(self, job: Job, request: JobRequest) -> Submission:
        """The same for looking at: no secret in it, dependencies by the Slurm ids known so far."""
        ids = [dependency.job for dependency in job.spec.dependencies]
        others = self._store.jobs_by_id(ids) if ids else {}
        known = {other.id: other.slurm_id for other in others.values() if other.slurm_id}
        return self._render(job, request, HIDDEN, known)

    def preview(self, job: Job, request: JobRequest) -> Preview:
        """What Slurm gets for `job`, to show."""
        submission = self.without_secret(job, request)
        return Preview(job.spec, submission.options, submission.script)

    def request(self, job: Job) -> JobRequest:
        """What was asked. Raises NotFound, Invalid (a request of a version that knew other fields)."""
        return _read(job, self._store.requests([job.id]).get(job.id))

    def claim_secret(self, uuid: str) -> str:
        """The secret a job shows at its start: derived, so that the broker can write it down at submission
        while the database holds nothing but its digest."""
        return self._derived("claim", uuid)

    def _derived(self, purpose: str, uuid: str) -> str:
        return hmac.new(self._claim_key, f"{purpose} {uuid}".encode(), hashlib.sha256).hexdigest()

    def _door(self, job: Job) -> Door | None:
        """Of a session; its app's secret stands nowhere but in the job folder."""
        if job.spec.app is None:
            return None
        if not self._surroundings.apptainer:
            raise Invalid({"app": "sessions run in images, and this site has no Apptainer to run them"})
        if self._doors is None:
            raise Invalid({"app": "this site has no sessions any more; tell an administrator"})
        return Door(
            secret=self._derived("app", job.uuid),
            certificate=self._doors.certificate(job.uuid),
            ca=self._doors.ca(),
            origin=self._doors.origin(job.uuid),
        )

    def _render(
        self,
        job: Job,
        request: JobRequest,
        secret: str,
        slurm_ids: Mapping[int, int],
        door: Door | None = None,
    ) -> Submission:
        waiting = tuple(d for d in job.spec.dependencies if d.job in slurm_ids)
        return render(
            job.spec.model_copy(update={"dependencies": waiting}),
            job.id,
            files=payload_files(request),
            claim_secret=secret,
            surroundings=self._surroundings,
            slurm_ids=slurm_ids,
            door=door,
        )


def _read(job: Job, text: str | None) -> JobRequest:
    if text is None:
        raise NotFound(f"The text of job {job.id} is no longer kept.")
    try:
        return JobRequest.model_validate_json(text)
    except ValidationError as error:
        raise Invalid(problems(error)) from error
