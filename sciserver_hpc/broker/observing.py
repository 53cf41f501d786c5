"""Slurm's news into the database: one look at the whole cluster, each job judged by what was seen of it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from ..domain.jobs import Job
from ..domain.lifecycle import (
    Step,
    after_absence,
    after_end,
    after_forgetting,
    after_sighting,
    after_usage,
    in_doubt,
    is_of,
    is_over,
    may_submit_again,
    step,
    true_copy,
)
from ..domain.scheduling import Observation, Sighting
from ..domain.states import JobState
from ..ports import Agents, Clock, Scheduler, Store
from .end_records import EndRecords
from .errands import Errands
from .recording import record

OVERLAP = timedelta(minutes=10)
"""Accounting lags behind the controller; looks overlap so far that no ending falls between two."""

NEWS_FROM = timedelta(minutes=2)
"""How far back accounting is asked for news between two looks: its lag, and clocks that differ."""

REST = timedelta(minutes=1)
"""How long accounting that did not answer is not asked for news: a turn waits for it, and news can wait."""

GRACE = timedelta(minutes=1)
"""How long results of a job that ended well may stay invisible (a shared filesystem's caches)."""

LOST_AFTER = timedelta(minutes=10)
"""How long a job may be missing everywhere before it counts as lost (slurmdbd may lag for minutes)."""


class Observer:
    """Watches one cluster's jobs. Its memory only delays: a new observer waits anew.

    `under_way`: uuids of jobs an agent is being given just now. What is seen of them counts at once: it is
    Slurm's own word, and the agent's can add nothing to it. That they are not seen means nothing yet.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        scheduler: Scheduler,
        agents: Agents,
        errands: Errands,
        under_way: Container[str],
        quiet: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._scheduler = scheduler
        # Apart, since each forgets what it is not asked for.
        self._ends = EndRecords(clock, agents, errands)
        self._last_traces = EndRecords(clock, agents, errands)
        self._under_way = under_way
        self._quiet = quiet
        self._answering_since: datetime | None = None
        self._missing_since: dict[str, datetime] = {}
        self._unfinished: frozenset[str] = frozenset()
        self._silent_until: datetime | None = None

    def observe(self, jobs: Sequence[Job], endings: bool) -> Observation:
        """Look once and record what it means for `jobs`.

        With `endings` accounting is asked too: for what ended lately, and for jobs the queue does not show.
        """
        since = self._clock.now() - OVERLAP if endings else None
        seen = self._scheduler.observe(since)
        self._note_answer(seen)
        copies = _copies_of(jobs, seen)
        self._unfinished = frozenset(job.uuid for job in jobs if not any(map(is_over, copies[job.uuid])))
        absent = [job for job in jobs if true_copy(job, copies[job.uuid]) is None]
        if seen.live_complete and endings:
            copies |= self._look_up(absent)
        self._judge(jobs, copies)
        return seen

    def listen(self) -> bool:
        """Does accounting know the end of a job that the last look showed alive? Asks no controller."""
        now = self._clock.now()
        resting = self._silent_until is not None and now < self._silent_until
        if resting or not self._unfinished:
            return False
        ended = self._scheduler.ended(now - NEWS_FROM)
        self._silent_until = now + REST if ended is None else None
        return ended is not None and not self._unfinished.isdisjoint(ended)

    def _note_answer(self, seen: Observation) -> None:
        if not seen.live_complete:
            self._answering_since = None
            self._missing_since.clear()
        elif self._answering_since is None:
            self._answering_since = seen.at

    def _look_up(self, absent: Sequence[Job]) -> dict[str, list[Sighting]]:
        """Ask for jobs that the look did not show; deal with those that nobody knows, return the found."""
        asked = [job for job in absent if self._worth_asking(job)]
        found = self._scheduler.look_up(asked) if asked else {}
        if found is None:
            self._missing_since.clear()
            return {}
        copies = {job.uuid: [found[job.uuid]] if job.uuid in found else [] for job in asked}
        unknown = [job for job in asked if _forgotten(true_copy(job, copies[job.uuid]))]
        self._note_missing(unknown)
        self._judge_unknown(unknown)
        return copies

    def _worth_asking(self, job: Job) -> bool:
        if job.uuid in self._under_way:
            return False
        if job.state is JobState.SUBMITTING:
            return in_doubt(job) and (
                job.cancel_requested or job.not_before is None or self._clock.now() >= job.not_before
            )
        return job.slurm_id is not None and not job.state.final

    def _note_missing(self, unknown: Sequence[Job]) -> None:
        """Time counts only while both halves answer: accounting that was away catches up with a lag."""
        now = self._clock.now()
        self._missing_since = {job.uuid: self._missing_since.get(job.uuid, now) for job in unknown}

    def _judge_unknown(self, jobs: Sequence[Job]) -> None:
        now = self._clock.now()
        again = {job.uuid for job in jobs if may_submit_again(job, now, self._answering_since, self._quiet)}
        doubted = [job for job in jobs if job.state is JobState.SUBMITTING and job.claimed_by is None]
        steps = [step(job, now, submitted_at=None, not_before=None) for job in doubted if job.uuid in again]
        missing = {job.uuid: now - self._missing_since[job.uuid] for job in jobs}
        gone = [job for job in jobs if job not in doubted and missing[job.uuid] >= self._quiet]
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
        for job, copy in chosen:
            if reading := readings.get(job.uuid):
                writer = true_copy(job, copies[job.uuid], reading.records) or copy
                # Dated by the question: what it did not find may have become visible since.
                steps.append(after_end(job, writer, reading.records, reading.asked_at, GRACE))
            elif _settled(job) and is_over(copy):
                steps.append(after_usage(job, copy, now))
            else:
                steps.append(after_sighting(job, copy, now))
        record(self._store, [one for one in steps if one is not None])


def _copies_of(jobs: Iterable[Job], seen: Observation) -> dict[str, list[Sighting]]:
    """Sightings of each job by uuid: more than one when a doubted submission was queued after all.

    Without the live half only the copy that claimed its start counts: beside any other the true one may run
    unseen.
    """
    by_uuid = {job.uuid: job for job in jobs}
    # With the uid: a claim may name any Slurm id, also that of another person's job.
    by_slurm_id = {(job.slurm_id, job.uid): job for job in by_uuid.values() if job.slurm_id is not None}
    copies: dict[str, list[Sighting]] = {uuid: [] for uuid in by_uuid}
    for sighting in seen.sightings:
        known = (sighting.slurm_id, sighting.uid)
        job = by_uuid.get(sighting.uuid) if sighting.uuid else by_slurm_id.get(known)
        if job is None or not is_of(sighting, job):
            continue
        if seen.live_complete or sighting.slurm_id == job.claimed_by:
            copies[job.uuid].append(sighting)
    return copies


def _forgotten(copy: Sighting | None) -> bool:
    """Does the controller not know a job that is not over either?"""
    return copy is None or not (copy.live or is_over(copy))


def _settled(job: Job) -> bool:
    return job.state.final and job.state is not JobState.LOST
