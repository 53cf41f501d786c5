"""Cancels asked for by people, carried to the scheduler until it shows them done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from ..domain.errors import SciServerError
from ..domain.jobs import Job
from ..domain.scheduling import Owner
from ..domain.states import JobState
from ..ports import Clock, Scheduler

log = structlog.get_logger(__name__)

AGAIN_AFTER = timedelta(seconds=15)
"""A cancel is sent again when nothing came of it for so long: a lost call must not keep a job alive."""


class Canceller:
    """Sends cancels, one scheduler call per owner."""

    def __init__(self, clock: Clock, schedulers: Mapping[str, Scheduler]) -> None:
        self._clock = clock
        self._schedulers = schedulers
        self._sent: dict[str, datetime] = {}

    def cancel_requested(self, jobs: Sequence[Job]) -> None:
        """Send cancels for those of `jobs` (all active ones) that have one due."""
        now = self._clock.now()
        # A controller that was killed gives the ids it forgot out again: an id is its owner's newest job's.
        newest = {_in_slurm(job): job.uuid for job in jobs if not job.state.final}
        wanted = [
            job
            for job in jobs
            if job.cancel_requested and job.slurm_id and newest.get(_in_slurm(job)) == job.uuid
        ]
        self._sent = {job.uuid: self._sent[job.uuid] for job in wanted if job.uuid in self._sent}
        batches: dict[tuple[str, Owner], list[Job]] = defaultdict(list)
        for job in wanted:
            last = self._sent.get(job.uuid)
            if job.state is not JobState.COMPLETING and (last is None or now - last >= AGAIN_AFTER):
                owner = Owner(username=job.owner, uid=job.uid, gid=job.spec.gid)
                batches[job.cluster, owner].append(job)
        for (cluster, owner), mine in batches.items():
            self._send(cluster, owner, mine, now)

    def _send(self, cluster: str, owner: Owner, jobs: Sequence[Job], now: datetime) -> None:
        scheduler = self._schedulers.get(cluster)
        if scheduler is None:
            return
        try:
            scheduler.cancel(owner, [job.slurm_id for job in jobs if job.slurm_id])
        except SciServerError as error:
            log.warning("cancel not sent", owner=owner.username, error=str(error))
            return
        self._sent |= {job.uuid: now for job in jobs}


def _in_slurm(job: Job) -> tuple[str, int | None, int]:
    """With the uid: a job may claim any Slurm id, also that of another person's."""
    return job.cluster, job.slurm_id, job.uid
