"""Accepted jobs into the scheduler: mark, submit, record; in doubt look up before trying again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta

import structlog

from ..domain.dependency import Readiness, readiness
from ..domain.ending import dependency_end, rejected_end
from ..domain.errors import SciServerError
from ..domain.jobs import Job
from ..domain.lifecycle import (
    Step,
    after_submission,
    begin_submission,
    cancel_unsubmitted,
    finish,
    in_doubt,
)
from ..domain.scheduling import Owner, Submission, SubmitOutcome, Verdict
from ..domain.states import JobState
from ..ports import Clock, Scheduler, Store
from .recording import record, record_anyhow

log = structlog.get_logger(__name__)

BATCH = 32
"""Jobs of one owner in one agent call: enough to spare transactions, few enough that nobody waits."""

PER_TURN = 4 * BATCH
"""Jobs of one owner submitted in one turn."""

Renderer = Callable[[Sequence[tuple[Job, Mapping[int, int]]]], Mapping[str, Submission | SciServerError]]
"""Jobs with the Slurm ids of their dependencies → what the agent gets, or why there is nothing, by uuid."""


class Submitter:
    """Submits what is ready. `quiet`: how long a doubt about a submission must rest (see lifecycle)."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        schedulers: Mapping[str, Scheduler],
        render: Renderer,
        executor: Executor,
        quiet: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._schedulers = schedulers
        self._render = render
        self._executor = executor
        self._quiet = quiet

    def submit_ready(self, jobs: Sequence[Job]) -> tuple[int, bool]:
        """Submit those of `jobs` that certainly have no copy in Slurm and may go now.

        Returns how many were tried and whether more are ready: a turn takes at most PER_TURN of an owner, so
        that one person's thousand jobs hold up neither other people nor the look at the cluster.
        """
        ready = self._ready(jobs)
        mine: dict[tuple[str, Owner], list[tuple[Job, Readiness]]] = defaultdict(list)
        for job, needs in ready:
            mine[job.cluster, Owner(username=job.owner, uid=job.uid, gid=job.spec.gid)].append((job, needs))
        work = [
            (cluster, owner, jobs_[start : start + BATCH])
            for start in range(0, PER_TURN, BATCH)
            for (cluster, owner), jobs_ in mine.items()
            if start < len(jobs_)
        ]
        list(self._executor.map(lambda item: self._submit_batch(*item), work))
        tried = sum(len(batch) for _, _, batch in work)
        return tried, tried < len(ready)

    def _ready(self, jobs: Sequence[Job]) -> list[tuple[Job, Readiness]]:
        now = self._clock.now()
        waiting = [job for job in jobs if _certainly_not_in_slurm(job) and _due(job, now)]
        named = {d.job for job in waiting for d in job.spec.dependencies}
        others = self._store.jobs_by_id(sorted(named)) if named else {}
        ready: list[tuple[Job, Readiness]] = []
        over: list[Step] = []
        for job in waiting:
            needs = readiness(job, others)
            if job.cancel_requested:
                over.append(cancel_unsubmitted(job, now))
            elif needs.impossible:
                ids = ", ".join(map(str, needs.impossible))
                why = dependency_end(f"job {ids} did not end as this one needs")
                over.append(finish(job, JobState.CANCELLED, why, now))
            elif not needs.waiting_for:
                ready.append((job, needs))
        record(self._store, over)
        return ready

    def _submit_batch(self, cluster: str, owner: Owner, batch: Sequence[tuple[Job, Readiness]]) -> None:
        now = self._clock.now()
        begun = record(self._store, [begin_submission(job, now, self._quiet) for job, _ in batch])
        needs = {job.uuid: readiness_.slurm_ids for job, readiness_ in batch}
        rendered = self._render([(job, needs[job.uuid]) for job in begun])
        broken = [
            finish(job, JobState.REJECTED, rejected_end(str(error)), now)
            for job in begun
            if isinstance(error := rendered[job.uuid], SciServerError)
        ]
        record(self._store, broken)
        submissions = [one for one in rendered.values() if isinstance(one, Submission)]
        outcomes = {o.uuid: o for o in self._ask(cluster, owner, submissions)}
        done = self._clock.now()

        def news(job: Job) -> Step | None:
            outcome = outcomes.get(job.uuid)
            if outcome is None or job.state is not JobState.SUBMITTING:
                return None
            return after_submission(job, outcome, done, self._quiet)

        for job in record_anyhow(self._store, begun, news):
            log.info("submitted", job=job.id, state=job.state, slurm_id=job.slurm_id)

    def _ask(self, cluster: str, owner: Owner, submissions: Sequence[Submission]) -> Sequence[SubmitOutcome]:
        """The scheduler's outcomes; whatever goes wrong on the way leaves each job in doubt, never lost."""
        if not submissions:
            return ()
        scheduler = self._schedulers.get(cluster)
        if scheduler is None:
            verdict, words = Verdict.NOT_TRIED, f"cluster {cluster} is not configured here"
        else:
            try:
                return scheduler.submit(owner, submissions)
            except SciServerError as error:
                verdict, words = Verdict.UNKNOWN, str(error)
            except Exception as error:
                log.exception("submit failed", cluster=cluster)
                verdict, words = Verdict.UNKNOWN, type(error).__name__
        return [SubmitOutcome(uuid=s.uuid, verdict=verdict, message=words) for s in submissions]


def _certainly_not_in_slurm(job: Job) -> bool:
    return job.state is JobState.ACCEPTED or (job.state is JobState.SUBMITTING and not in_doubt(job))


def _due(job: Job, now: datetime) -> bool:
    return job.not_before is None or now >= job.not_before or job.cancel_requested
