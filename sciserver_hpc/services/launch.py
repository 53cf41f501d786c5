"""The question at a job's start: does everything it was accepted with still hold?"""

from __future__ import annotations

from ..domain.access import Action
from ..domain.jobs import Job, JobSpec
from ..domain.states import JobState
from .site import Rights, Snapshot

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
    if spec.image not in domain.images or spec.image not in site.images:
        return {f"image {spec.image}": f"no longer offered in domain {spec.domain}"}
    return {}


def _granted(spec: JobSpec, rights: Rights) -> dict[str, str]:
    needs = [(Action.USE, "domain", spec.domain), (Action.USE, "image", spec.image)]
    for mount in spec.mounts:
        action = Action.WRITE if mount.writable else Action.READ
        needs.append((action, "user_volume" if "/" in mount.volume else "data_volume", mount.volume))
    decisions = {
        f"{kind.split('_')[-1]} {name}": rights.may(action, kind, name) for action, kind, name in needs
    }
    return {item: decision.reason for item, decision in decisions.items() if not decision}
