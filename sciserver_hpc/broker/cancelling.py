"""Cancels asked for by people, carried to the scheduler until it shows them done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from ..domain.jobs import Job
from ..domain.states import JobState
from ..ports import Clock, Scheduler
from .errands import Errands, Whose, whose

AGAIN_AFTER = timedelta(seconds=15)
"""A cancel is sent again when nothing came of it for so long: a lost call must not keep a job alive."""


KIND = "cancel"


class Canceller:
    """Sends cancels, one scheduler call per owner. left_alone: jobs that others bring to their end."""

    def __init__(
        self,
        clock: Clock,
        schedulers: Mapping[str, Scheduler],
        errands: Errands,
        left_alone: Callable[[Job], bool],
    ) -> None:
        self._clock = clock
        self._left_alone = left_alone
        self._schedulers = schedulers
        self._errands = errands
        self._sent: dict[str, datetime] = {}

    def cancel_requested(self, jobs: Sequence[Job]) -> bool:
        """Send cancels for those of `jobs` (all active ones) that have one due.

        True when some found no place among so many, and another turn should come at once.
        """
        now = self._clock.now()
        # A controller that was killed gives the ids it forgot out again: an id is its owner's newest job's.
        newest = {_in_slurm(job): job.uuid for job in jobs if not job.state.final}
        wanted = [
            job
            for job in jobs
            if job.cancel_requested and job.slurm_id and newest.get(_in_slurm(job)) == job.uuid
        ]
        for uuid in set(self._sent) - {job.uuid for job in wanted}:
            del self._sent[uuid]  # in place: an errand may be adding to it
        batches: dict[Whose, list[Job]] = defaultdict(list)
        for job in wanted:
            last = self._sent.get(job.uuid)
            if self._left_alone(job):
                continue
            if job.state is not JobState.COMPLETING and (last is None or abs(now - last) >= AGAIN_AFTER):
                batches[whose(job)].append(job)
        errands = {one: partial(self._send, one, mine, now) for one, mine in batches.items()}
        return self._errands.run(KIND, errands).crowded

    def _send(self, one: Whose, jobs: Sequence[Job], now: datetime) -> bool:
        cluster, owner = one
        scheduler = self._schedulers.get(cluster)
        if scheduler is None:
            return False
        scheduler.cancel(owner, [job.slurm_id for job in jobs if job.slurm_id])
        self._sent.update({job.uuid: now for job in jobs})
        return True


def _in_slurm(job: Job) -> tuple[str, int | None, int]:
    """With the uid: a job may claim any Slurm id, also that of another person's."""
    return job.cluster, job.slurm_id, job.uid
