"""Looks at one cluster. Where its scheduler hangs the look hangs, and no turn.

A look may be answered many turns after its question. Why an old answer is not mistaken for news:

- **It speaks of rows as they were before it began**, and of no others. A job handed over since is not in it;
  a row that changed since has another version, so that nothing can be made of it (`recording.record`).
- **Spans of absence are counted short**: from the answer of one look to the question of another. A copy may
  have been queued while a look was out, and a controller that let us wait did not work.
- **One look at a time**: none overtakes another.
- **A broker that leads anew asks anew**: what it asked as a former leader is not read (`Broker.begin`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from ..domain.arrays import task_count
from ..domain.jobs import Job
from ..domain.lifecycle import completed, in_doubt, is_of, is_over, true_copy
from ..domain.scheduling import Observation, Sighting
from ..domain.states import JobState
from ..ports import Clock, Scheduler
from .question import Question

ENDINGS_EVERY = timedelta(seconds=15)
"""Accounting's whole answer is asked for less often: ended jobs stay in the queue's for minutes anyway. It
counts from the last answer: while accounting hangs, looks at the queue alone come in between."""

OVERLAP = timedelta(minutes=10)
"""Accounting lags behind the controller, by minutes after it was away; every few whole looks, one reaches
back so far that no ending falls between two such."""

OVERLAPS_EVERY = timedelta(minutes=3)

LATELY = timedelta(minutes=2)
"""How far the other whole looks reach back: accounting answers for everybody's jobs, with a query for the
steps of each."""

FAILED = "a look at it broke off, or was never answered"


@dataclass(frozen=True)
class Look:
    """What one look showed of `jobs`, whose rows were read before `begun_at`.

    `answered_at`: when the queue's answer was there; `back`: how far back accounting was asked too, where it
    was.
    """

    jobs: Sequence[Job]
    begun_at: datetime
    answered_at: datetime
    back: timedelta | None
    seen: Observation
    copies: Mapping[str, Sequence[Sighting]]
    """Sightings of each job by uuid: more than one when a doubted submission was queued after all."""

    unknown: Sequence[Job] | None = None
    """Those that nobody knows; None where that is not certain."""

    @property
    def whole(self) -> bool:
        """Was accounting asked too?"""
        return self.back is not None


class Looker:
    """Looks, one at a time.

    `under_way`: uuids of jobs an agent is being given just now. That they are not seen means nothing yet.
    """

    def __init__(
        self, clock: Clock, scheduler: Scheduler, question: Question[Look], under_way: Container[str]
    ) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._question = question
        self._under_way = under_way
        self._whole_at: datetime | None = None
        self._overlapped_at: datetime | None = None

    @property
    def looking(self) -> bool:
        """Is a look out?"""
        return self._question.open

    def look(self, jobs: Sequence[Job]) -> None:
        """Begin one for `jobs`, as just read, unless one is out.

        Now and then also for none: that a cluster is away, or back, is told before work comes.
        """
        now = self._clock.now()
        back = self._back(now)
        if not self.looking and (jobs or back):
            self._question.ask(partial(self._ask, jobs, now, back), _failed(jobs, now, back))

    def take(self) -> Look | None:
        """The look that is back, once."""
        look = self._question.take()
        if look is not None and look.whole:
            self._whole_at = self._clock.now()
            if not look.seen.ended_complete:
                self._overlapped_at = None
            elif look.back == OVERLAP:
                self._overlapped_at = look.begun_at
        return look

    def _back(self, now: datetime) -> timedelta | None:
        """How far back accounting is to be asked now; None where it is not."""
        if self._whole_at is not None and abs(now - self._whole_at) < ENDINGS_EVERY:
            return None
        overlapped = self._overlapped_at is not None and abs(now - self._overlapped_at) < OVERLAPS_EVERY
        return LATELY if overlapped else OVERLAP

    def _ask(self, jobs: Sequence[Job], begun_at: datetime, back: timedelta | None) -> Look:
        seen = self._scheduler.observe(None if back is None else begun_at - back)
        look = Look(jobs, begun_at, self._clock.now(), back, seen, copies_of(jobs, seen))
        look = self._ask_for_tasks(look)
        # Without accounting's half there is no certainty, and nothing to be had but one more time-out.
        return self._look_up(look) if seen.live_complete and seen.ended_complete else look

    def _ask_for_tasks(self, look: Look) -> Look:
        """Ask accounting alone for all tasks of arrays that are over, where this look shows but some."""
        if not look.seen.live_complete:
            return look
        copies = {job.uuid: true_copy(job, look.copies[job.uuid]) for job in look.jobs if job.spec.array}
        asked = [job for job in look.jobs if job.uuid in copies and _lacks(job, copies[job.uuid], look.whole)]
        told = self._scheduler.tasks(asked) if asked else None
        more = {
            uuid: [completed(copies[uuid] or accounted, accounted)]
            for uuid, accounted in (told or {}).items()
            if is_over(copies[uuid] or accounted)
        }
        return replace(look, copies={**look.copies, **more})

    def _look_up(self, look: Look) -> Look:
        """Ask for jobs that it did not show."""
        absent = [job for job in look.jobs if true_copy(job, look.copies[job.uuid]) is None]
        asked = [job for job in absent if self._worth_asking(job, look.begun_at)]
        found = self._scheduler.look_up(asked) if asked else {}
        if found is None:
            return look
        now_seen = {job.uuid: [found[job.uuid]] if job.uuid in found else [] for job in asked}
        unknown = [job for job in asked if _forgotten(true_copy(job, now_seen[job.uuid]))]
        return replace(look, copies={**look.copies, **now_seen}, unknown=unknown)

    def _worth_asking(self, job: Job, now: datetime) -> bool:
        if job.uuid in self._under_way:
            return False
        if job.state is JobState.SUBMITTING:
            return in_doubt(job) and (job.cancel_requested or job.not_before is None or now >= job.not_before)
        return job.slurm_id is not None and not job.state.final


def copies_of(jobs: Iterable[Job], seen: Observation) -> dict[str, list[Sighting]]:
    """Sightings of each job by uuid.

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


def _lacks(job: Job, copy: Sighting | None, whole: bool) -> bool:
    """Are there tasks of this array, which is over, that the look does not show? Of one that is settled too,
    whose usage is not known yet, but not at each look; one that is lost was asked for long enough."""
    known = job.usage is not None or job.slurm_id is None or job.state is JobState.LOST
    if job.state.final and (known or not whole):
        return False
    if copy is None:
        return job.state.final
    return is_over(copy) and len(copy.known) < task_count(job.spec.array or "")


def _forgotten(copy: Sighting | None) -> bool:
    """Does the controller not know a job that is not over either?"""
    return copy is None or not (copy.live or is_over(copy))


def _failed(jobs: Sequence[Job], begun_at: datetime, back: timedelta | None) -> Look:
    seen = Observation(
        at=begun_at,
        sightings=(),
        live_complete=False,
        ended_complete=False,
        problem=FAILED,
        ended_problem="" if back is None else FAILED,
    )
    return Look(jobs, begun_at, begun_at, back, seen, copies_of(jobs, seen))
