"""A cluster in memory, driven by the test.

    cluster = FakeScheduler(clock)                    # clock: anything with now()
    cluster.script(Reply.LOSE_QUEUED, Reply.REJECT)   # the next submissions' fates; ACCEPT when none is left
    [outcome] = cluster.submit(owner, [submission])   # ids are 1001, 1002, …
    cluster.advance(1001, JobState.RUNNING, node="n1")
    cluster.advance(1001, JobState.FAILED, exit_code=3)   # accounting shows it `accounting_lag` later
    cluster.purge(1001)                               # slurmctld forgets it, accounting does not
    cluster.forget(1001)                              # nobody knows it any more
    cluster.live_down = cluster.accounting_down = True    # outages of slurmctld and slurmdbd
    cluster.queue(submission, other_owner)            # submitted by hand, perhaps under a forged name
    cluster.calls["observe"]                          # how often each method was called
    cluster.found(uuid)                               # ids of all copies of a job
    cluster.alive(uuid)                               # of those that a look shows, not over yet

It answers like the real adapters (tests/scheduler/test_contract.py runs on all of them) and never sleeps.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import count
from typing import Any, Protocol

from sciserver_hpc.domain.errors import Refused, Unavailable
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.scheduling import (
    Observation,
    Owner,
    Sighting,
    Submission,
    SubmitOutcome,
    Verdict,
    uuid_of,
)
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.scheduler.matching import match


class Reply(Enum):
    """The fate of one submission."""

    ACCEPT = auto()
    REJECT = auto()
    LOSE_QUEUED = auto()
    """The reply is lost, the job was queued."""

    LOSE_NOT_QUEUED = auto()
    """The reply is lost, and the job was not queued."""

    NOT_TRIED = auto()


class _Now(Protocol):
    def now(self) -> datetime: ...


@dataclass
class _Record:
    """One job: how it looks, whether the controller knows it, when accounting learns of its end."""

    sighting: Sighting
    live: bool
    recorded_at: datetime


class FakeScheduler:
    """See the module's docstring."""

    def __init__(self, clock: _Now) -> None:
        self._clock = clock
        self._replies: deque[Reply] = deque()
        self._records: dict[int, _Record] = {}
        self._ids = count(1001)
        self.live_down = False
        self.accounting_down = False
        self.accounting_lag = timedelta(0)
        self.calls: Counter[str] = Counter()
        self.version = "fake cluster"
        self.nodes = {"n1": "10.0.0.1", "n2": "fd00::2"}
        """Address by name."""

        self.submissions: dict[int, Submission] = {}
        """By Slurm id: what was queued."""

    # what a test does -----------------------------------------------------------------------------
    def script(self, *replies: Reply) -> None:
        """Set the fates of the next submissions, in order."""
        self._replies.extend(replies)

    def queue(self, submission: Submission, owner: Owner) -> int:
        """Queue without any reply, as if submitted by hand."""
        slurm_id = next(self._ids)
        self.submissions[slurm_id] = submission
        sighting = Sighting(
            slurm_id=slurm_id, uuid=uuid_of(submission.mark), uid=owner.uid, state=JobState.PENDING
        )
        self._records[slurm_id] = _Record(sighting, True, self._clock.now() + self.accounting_lag)
        return slurm_id

    def advance(self, slurm_id: int, state: JobState | None, **seen: Any) -> None:
        """Show the job in `state` from now on; `seen`: other fields of its Sighting."""
        record, now = self._records[slurm_id], self._clock.now()
        if state is JobState.RUNNING:
            seen.setdefault("started_at", now)
        if state is not None and state.final:
            seen.setdefault("ended_at", now)
            record.recorded_at = now + self.accounting_lag
        record.sighting = record.sighting.model_copy(update={"state": state, **seen})

    def purge(self, slurm_id: int) -> None:
        """Let the controller forget the job."""
        self._records[slurm_id].live = False

    def forget(self, slurm_id: int) -> None:
        """Let the controller and accounting forget the job."""
        del self._records[slurm_id]

    def begin_ids(self, slurm_id: int) -> None:
        """Give out ids from `slurm_id` on, as a controller does that forgot the last ones."""
        self._ids = count(slurm_id)

    def found(self, uuid: str) -> list[int]:
        """Slurm ids of all jobs that carry `uuid`, in order of submission."""
        return [i for i, record in self._records.items() if record.sighting.uuid == uuid]

    def alive(self, uuid: str) -> list[int]:
        """Of those the ones that the controller knows and that are not over."""
        return [i for i in self.found(uuid) if self._records[i].live and not _over(self._records[i].sighting)]

    def state(self, slurm_id: int) -> JobState | None:
        """The job's true state."""
        return self._records[slurm_id].sighting.state

    # the port -------------------------------------------------------------------------------------
    def submit(self, owner: Owner, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        self.calls["submit"] += 1
        return [self._submit(owner, job) for job in jobs]

    def _submit(self, owner: Owner, job: Submission) -> SubmitOutcome:
        reply = self._replies.popleft() if self._replies else Reply.ACCEPT
        if reply is Reply.REJECT:
            words = "sbatch: error: Batch job submission failed: Invalid account specified"
            return SubmitOutcome(uuid=job.uuid, verdict=Verdict.REJECTED, message=words)
        if reply is Reply.NOT_TRIED:
            return SubmitOutcome(uuid=job.uuid, verdict=Verdict.NOT_TRIED, message="the agent did not start")
        if self.live_down or reply is Reply.LOSE_NOT_QUEUED:
            return _lost(job)
        slurm_id = self.queue(job, owner)
        if reply is Reply.LOSE_QUEUED:
            return _lost(job)
        return SubmitOutcome(uuid=job.uuid, verdict=Verdict.ACCEPTED, slurm_id=slurm_id)

    def test_only(self, owner: Owner, job: Submission) -> str:
        self.calls["test_only"] += 1
        self._ask_controller()
        if self._replies and self._replies[0] is Reply.REJECT:
            self._replies.popleft()
            raise Refused({"slurm": "allocation failure: Invalid account specified"})
        return f"Job {len(self.submissions) + 1001} to start at {self._clock.now():%Y-%m-%dT%H:%M:%S}"

    def cancel(self, owner: Owner, slurm_ids: Sequence[int]) -> None:
        self.calls["cancel"] += 1
        self._ask_controller()
        for slurm_id in slurm_ids:
            record = self._records.get(slurm_id)
            if record and record.live and record.sighting.uid == owner.uid and not _over(record.sighting):
                self.advance(slurm_id, JobState.CANCELLED, cancelled_by=owner.uid)

    def observe(self, since: datetime | None) -> Observation:
        self.calls["observe"] += 1
        now = self._clock.now()
        seen: dict[int, Sighting] = {}
        if since is not None and not self.accounting_down:
            seen |= {s.slurm_id: s for s in self._accounted() if s.ended_at and s.ended_at > since}
        if not self.live_down:
            seen |= {i: r.sighting for i, r in self._records.items() if r.live}
        return Observation(
            at=now,
            sightings=tuple(seen.values()),
            live_complete=not self.live_down,
            ended_complete=since is not None and not self.accounting_down,
            problem="slurmctld does not answer" if self.live_down else "",
            ended_problem="slurmdbd does not answer" if since and self.accounting_down else "",
        )

    def ended(self, since: datetime) -> frozenset[str] | None:
        self.calls["ended"] += 1
        if self.accounting_down:
            return None
        ends = (s for s in self._accounted() if s.ended_at and s.ended_at > since)
        return frozenset(s.uuid for s in ends if s.uuid)

    def look_up(self, jobs: Sequence[Job]) -> dict[str, Sighting] | None:
        self.calls["look_up"] += 1
        if self.live_down or self.accounting_down:
            return None
        seen = {s.slurm_id: s for s in self._accounted()}
        seen |= {i: r.sighting for i, r in self._records.items() if r.live}
        return match(jobs, seen.values())

    def tasks(self, jobs: Sequence[Job]) -> dict[str, Sighting] | None:
        self.calls["tasks"] += 1
        if self.accounting_down:
            return None
        return match(jobs, self._accounted())

    def folder(self, slurm_id: int) -> str | None:
        """Where it was submitted to run."""
        submission = self.submissions.get(slurm_id)
        return None if submission is None else f"{submission.root}/{submission.folder}"

    def address(self, node: str) -> str | None:
        self.calls["address"] += 1
        return self.nodes.get(node)

    def ping(self) -> str:
        self.calls["ping"] += 1
        self._ask_controller()
        return self.version

    def _accounted(self) -> list[Sighting]:
        now = self._clock.now()
        known = [record.sighting for record in self._records.values() if record.recorded_at <= now]
        return [sighting.model_copy(update={"live": False}) for sighting in known]

    def _ask_controller(self) -> None:
        if self.live_down:
            raise Unavailable("slurm", "slurmctld is down")


def _over(sighting: Sighting) -> bool:
    return sighting.state is not None and sighting.state.final


def _lost(job: Submission) -> SubmitOutcome:
    words = "sbatch: error: Socket timed out on send/recv operation"
    return SubmitOutcome(uuid=job.uuid, verdict=Verdict.UNKNOWN, message=words)
