"""Accepted jobs into the scheduler: mark, submit, record; in doubt look up before trying again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from threading import Event

import structlog

from ..domain.archive import ArchivedJob
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
from ..services.changing import change_anyhow
from .errands import Errands, Whose, whose
from .recording import record

log = structlog.get_logger(__name__)

BATCH = 32
"""Jobs of one owner in one agent call."""

LANES = 2
"""Calls to one agent at a time: while one's outcomes are recorded, sbatch runs for the other."""

PER_TURN = 4 * BATCH
"""Jobs of one owner submitted in one turn."""

KIND = "submit"

_ANSWERS = frozenset({Verdict.ACCEPTED, Verdict.REJECTED})

Renderer = Callable[[Sequence[tuple[Job, Mapping[int, int]]]], Mapping[str, Submission | SciServerError]]
"""Jobs with the Slurm ids of their dependencies → what the agent gets, or why there is nothing, by uuid."""


class Submitter:
    """Submits what is ready. `rest`: how long a doubt about a submission rests (see lifecycle). A broker that
    dies in a call to an agent leaves the row's mark alone to its successor, so a mark is a doubt.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        schedulers: Mapping[str, Scheduler],
        render: Renderer,
        errands: Errands,
        rest: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._schedulers = schedulers
        self._render = render
        self._errands = errands
        self._rest = rest
        self._under_way: set[str] = set()

    @property
    def under_way(self) -> Container[str]:
        """Uuids of jobs an agent is being given just now: whether Slurm has them is for nobody else to judge.

        From before the row's mark until after the outcome's record. A row read as marked and judged when this
        is over has another version by then, so that nothing can be made of it.
        """
        return self._under_way

    def submit_ready(self, jobs: Sequence[Job]) -> tuple[int, bool]:
        """Submit those of `jobs` that certainly have no copy in Slurm and may go now.

        Returns how many were given to errands and whether another turn at once could take more: a turn takes
        at most PER_TURN of an owner, so that one person's thousand jobs hold up neither other people nor the
        look at the cluster. What waits for an owner who is busy, or whose agent is away, is not counted.
        """
        mine: dict[Whose, list[tuple[Job, Readiness]]] = defaultdict(list)
        for job, needs in self._ready(jobs):
            mine[whose(job)].append((job, needs))
        turn = {one: some[:PER_TURN] for one, some in mine.items()}
        turnout = self._errands.run(KIND, {one: partial(self._submit, one, turn[one]) for one in turn})
        tried = sum(len(turn[one]) for one in turnout.started)
        return tried, turnout.crowded or any(len(mine[one]) > PER_TURN for one in turnout.answered)

    def _ready(self, jobs: Sequence[Job]) -> list[tuple[Job, Readiness]]:
        now = self._clock.now()
        waiting = [job for job in jobs if _certainly_not_in_slurm(job) and _due(job, now)]
        named = {d.job for job in waiting for d in job.spec.dependencies}
        others = self._named(named) if named else {}
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

    def _named(self, job_ids: set[int]) -> dict[int, Job | ArchivedJob]:
        live = self._store.jobs_by_id(sorted(job_ids))
        return {**self._store.archived_by_id(sorted(job_ids - live.keys())), **live}

    def _submit(self, one: Whose, ready: Sequence[tuple[Job, Readiness]]) -> bool:
        """Batch by batch, LANES at a time; True while the agent does what it is asked.

        After the first batch that is late, or in vain, no other begins: the rest is judged anew in a later
        turn.
        """
        batches = [ready[start : start + BATCH] for start in range(0, len(ready), BATCH)]
        left, first, vain = iter(batches), iter(range(LANES)), Event()

        def lane() -> None:
            while not vain.is_set():
                if next(first, None) is None and not self._errands.in_time(KIND, one):
                    break
                # Taken, not looked for and then taken: the other lane may be as far.
                if (batch := next(left, None)) is None:
                    break
                if not self._submit_marked(one, batch):
                    vain.set()

        self._errands.side_by_side([lane] * min(LANES, len(batches)))
        return not vain.is_set()

    def _submit_marked(self, one: Whose, batch: Sequence[tuple[Job, Readiness]]) -> bool:
        uuids = {job.uuid for job, _ in batch}
        self._under_way.update(uuids)
        try:
            return self._submit_batch(*one, batch)
        finally:
            self._under_way.difference_update(uuids)

    def _submit_batch(self, cluster: str, owner: Owner, batch: Sequence[tuple[Job, Readiness]]) -> bool:
        now = self._clock.now()
        begun = record(self._store, [begin_submission(job, now, self._rest) for job, _ in batch])
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
        self._record(begun, outcomes)
        return not submissions or any(outcome.verdict in _ANSWERS for outcome in outcomes.values())

    def _record(self, begun: Sequence[Job], outcomes: Mapping[str, SubmitOutcome]) -> None:
        """Write the outcomes down, in whatever state the rows are by now.

        A job may have been sighted, have started or even ended before its agent's answer came: what Slurm
        and the job itself say stands. Where another broker leads by now and tries anew, only a queued copy is
        news.
        """
        done = self._clock.now()
        tries = {job.uuid: job.attempts for job in begun}

        def news(job: Job) -> Step | None:
            outcome = outcomes.get(job.uuid)
            if outcome is None or job.state is not JobState.SUBMITTING:
                return None
            if job.attempts != tries[job.uuid] and outcome.verdict is not Verdict.ACCEPTED:
                return None
            return after_submission(job, outcome, done, self._rest)

        for job in change_anyhow(self._store, begun, news).done:
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
