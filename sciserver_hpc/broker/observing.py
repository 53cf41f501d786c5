"""Slurm's news into the database: each job judged by what a look at the whole cluster showed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ..domain.jobs import Job
from ..domain.lifecycle import (
    Step,
    after_absence,
    after_end,
    after_forgetting,
    after_sighting,
    after_usage,
    is_over,
    may_submit_again,
    step,
    true_copy,
)
from ..domain.scheduling import Sighting
from ..domain.states import JobState
from ..ports import Agents, Clock, Store
from .end_records import EndRecords
from .errands import Errands
from .listening import Listener
from .looking import Look, Looker
from .recording import record
from .tasks import TaskMemory, telling

GRACE = timedelta(minutes=1)
"""How long results of a job that ended well may stay invisible (a shared filesystem's caches)."""

LOST_AFTER = timedelta(minutes=10)
"""How long a job may be missing everywhere before it counts as lost (slurmdbd may lag for minutes)."""


class Observer:
    """Watches one cluster's jobs. Its memory only delays: a new observer waits anew.

    What is seen of a job counts at once, also while an agent is being given it: it is Slurm's own word, and
    the agent's can add nothing to it.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        looker: Looker,
        listener: Listener,
        agents: Agents,
        errands: Errands,
        rest: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._looker = looker
        self._listener = listener
        # Apart, since each forgets what it is not asked for.
        self._ends = EndRecords(clock, agents, errands)
        self._last_traces = EndRecords(clock, agents, errands)
        self._tasks = TaskMemory(store)
        self._rest = rest
        self._answering_since: datetime | None = None
        self._missing_since: dict[str, datetime] = {}
        self._unfinished: frozenset[str] = frozenset()

    def look(self, jobs: Sequence[Job]) -> None:
        """Begin a look for `jobs`, as just read, unless one is out."""
        self._looker.look(jobs)

    def listen(self) -> None:
        """Begin to ask accounting alone, unless a look is out or showed no job alive."""
        if self._unfinished and not self._looker.looking:
            self._listener.ask()

    def is_news(self) -> bool:
        """Does accounting know the end of a job that the last look showed alive?"""
        return not self._looker.looking and not self._unfinished.isdisjoint(self._listener.heard())

    def settle(self) -> Look | None:
        """Record what the look means that is back; return it."""
        look = self._looker.take()
        if look is not None:
            self._note_answer(look)
            copies = look.copies
            self._unfinished = frozenset(
                job.uuid for job in look.jobs if not any(map(is_over, copies[job.uuid]))
            )
            if look.whole:
                self._note_missing(look)
            if look.unknown is not None:
                self._judge_unknown(look, look.unknown)
            self._judge(look.jobs, copies)
        return look

    def _note_answer(self, look: Look) -> None:
        if not look.seen.live_complete:
            self._answering_since = None
            self._missing_since.clear()
        elif self._answering_since is None:
            self._answering_since = look.answered_at

    def _note_missing(self, look: Look) -> None:
        """Time counts only while both halves answer: accounting that was away catches up with a lag."""
        known, at = self._missing_since, look.answered_at
        self._missing_since = {job.uuid: known.get(job.uuid, at) for job in look.unknown or ()}

    def _judge_unknown(self, look: Look, jobs: Sequence[Job]) -> None:
        now, asked_at = self._clock.now(), look.begun_at
        again = {j.uuid for j in jobs if may_submit_again(j, asked_at, self._answering_since, self._rest)}
        doubted = [job for job in jobs if job.state is JobState.SUBMITTING and job.claimed_by is None]
        steps = [step(job, now, submitted_at=None, not_before=None) for job in doubted if job.uuid in again]
        missing = {job.uuid: asked_at - self._missing_since[job.uuid] for job in jobs}
        gone = [job for job in jobs if job not in doubted and missing[job.uuid] >= self._rest]
        readings = self._last_traces.read(gone)
        for job in gone:
            reading = readings.get(job.uuid)
            if reading is None or reading.asked_at < self._missing_since[job.uuid]:
                continue
            if not reading.records and job.state is JobState.PENDING and job.claimed_by is None:
                steps += [after_forgetting(job, now)] if job.uuid in again else []
            elif missing[job.uuid] >= LOST_AFTER:
                steps.append(after_absence(job, reading.records, now))
        record(self._store, steps)

    def _judge(self, jobs: Sequence[Job], copies: Mapping[str, Sequence[Sighting]]) -> None:
        now = self._clock.now()
        chosen = [(job, copy) for job in jobs if (copy := true_copy(job, copies[job.uuid]))]
        readings = self._ends.read(job for job, copy in chosen if is_over(copy) and not _settled(job))
        steps: list[Step | None] = []
        for job, seen in chosen:
            reading = readings.get(job.uuid)
            writer = true_copy(job, copies[job.uuid], reading.records) if reading else None
            copy, tasks = self._tasks.heed(job, writer or seen)
            if reading and is_over(seen):
                # Dated by the question: what it did not find may have become visible since.
                judged = after_end(job, copy, reading.records, reading.asked_at, GRACE)
            elif _settled(job) and is_over(seen):
                judged = after_usage(job, copy, now)
            else:
                judged = after_sighting(job, copy, now)
            steps.append(telling(job, judged, tasks))
        taken = [one for one in steps if one is not None]
        self._tasks.note(record(self._store, taken), taken)
        self._tasks.forget_all_but({job.id for job in jobs})


def _settled(job: Job) -> bool:
    return job.state.final and job.state is not JobState.LOST
