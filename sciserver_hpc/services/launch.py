"""The question at a job's start: does everything it was accepted with still hold?"""

from __future__ import annotations

import structlog

from ..domain.access import Action, Resource
from ..domain.jobs import EventKind, Job, JobSpec
from ..domain.lifecycle import after_claim, step
from ..domain.states import JobState
from ..ports import Clock, Store
from .changing import change_anyhow
from .digest import digest
from .site import Rights, Site, Snapshot

log = structlog.get_logger(__name__)

_REASONS = {
    "duplicate": "another copy of this job has claimed the start",
    "unknown": "no job with this uuid and secret",
}

_OVER = frozenset(
    {
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.TIMEOUT,
        JobState.OUT_OF_MEMORY,
        JobState.REJECTED,
    }
)
"""Final states no run may follow: out of NODE_FAIL and PREEMPTED a job is requeued, LOST was ignorance."""


class Launch:
    """Answers jobs that are about to start."""

    def __init__(self, store: Store, clock: Clock, site: Site) -> None:
        self._store = store
        self._clock = clock
        self._site = site

    def claim(
        self,
        uuid: str,
        secret: str,
        slurm_id: int,
        restarts: int = 0,
        task: int | None = None,
        node: str = "",
    ) -> tuple[str, str]:
        """(`run`, `duplicate`, `refused` or `unknown`, reason). Records a refusal; the store, the start.

        Raises Unavailable.
        """
        before = self._store.job_by_uuid(uuid)
        verdict = self._store.claim(uuid, digest(secret), slurm_id, restarts, task, self._clock.now())
        if before is None or verdict != "run":
            return verdict, _REASONS.get(verdict, "")
        reason = standing(before) or self._withdrawn(before)
        if reason:
            self._note(before.id, f"Start refused: {reason}")
            return "refused", reason
        self._start(before.id, slurm_id, restarts, node)
        return "run", ""

    def _start(self, job_id: int, slurm_id: int, restarts: int, node: str) -> None:
        now = self._clock.now()
        jobs = list(self._store.jobs_by_id([job_id]).values())
        change_anyhow(self._store, jobs, lambda job: after_claim(job, slurm_id, restarts, node, now))

    def _withdrawn(self, job: Job) -> str:
        person = self._store.person(job.owner)
        if person is None:
            return f"{job.owner} is not known here any more"
        things = [Resource(kind=kind, name=name) for _, kind, name in needs(job.spec)]
        return withdrawn(job.spec, self._site.load(), self._site.load_rights(person, things))

    def _note(self, job_id: int, text: str) -> None:
        """Put a line into the job's history once; array tasks all say the same."""
        if any(event.text == text for event in self._store.events(job_id)):
            return
        now = self._clock.now()
        jobs = list(self._store.jobs_by_id([job_id]).values())
        if change_anyhow(self._store, jobs, lambda job: step(job, now, text, EventKind.CLAIM)).missed:
            log.warning("event not recorded", job=job_id, text=text)


def standing(job: Job) -> str:
    """Why `job` may not start any more, by its own state; "" when it may."""
    if job.cancel_requested or job.state is JobState.CANCELLED:
        return f"cancelled by {job.cancel_by}" if job.cancel_by else "cancelled"
    return f"it is over ({job.state})" if job.state in _OVER else ""


def withdrawn(spec: JobSpec, site: Snapshot, rights: Rights) -> str:
    """What of `spec` is no longer offered or granted, in a sentence; "" when all of it is."""
    failing = {**_offered(spec, site), **_granted(spec, rights)}
    return "; ".join(f"{item}: {reason}" for item, reason in failing.items())


def _offered(spec: JobSpec, site: Snapshot) -> dict[str, str]:
    domain = site.domains.get(spec.domain)
    if domain is None:
        return {f"domain {spec.domain}": "no longer offered"}
    if spec.app is not None and spec.app.name not in site.apps:
        return {f"app {spec.app.name}": "no longer offered"}
    return {
        f"image {image}": f"no longer offered in domain {spec.domain}"
        for image in spec.images
        if image not in domain.images or image not in site.images
    }


def needs(spec: JobSpec) -> list[tuple[Action, str, str]]:
    """What the job's owner must be allowed for it to start: action, kind and name of each thing."""
    wanted = [(Action.USE, "domain", spec.domain)]
    wanted += [(Action.USE, "image", image) for image in spec.images]
    if spec.app is not None:
        wanted.append((Action.USE, "app", spec.app.name))
    for mount in spec.mounts:
        action = Action.WRITE if mount.writable else Action.READ
        wanted.append((action, "user_volume" if "/" in mount.volume else "data_volume", mount.volume))
    return wanted


def _granted(spec: JobSpec, rights: Rights) -> dict[str, str]:
    decisions = {
        f"{kind.split('_')[-1]} {name}": rights.may(action, kind, name) for action, kind, name in needs(spec)
    }
    return {item: decision.reason for item, decision in decisions.items() if not decision}
