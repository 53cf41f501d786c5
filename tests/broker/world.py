"""A whole world for the broker: a store, a cluster and people's agents that a test can break at will."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sciserver_hpc.broker.attending import Tending
from sciserver_hpc.broker.runner import Runner, Threads
from sciserver_hpc.broker.tick import Broker, TickReport
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.gates import SessionRecord
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.scheduling import (
    EndRecord,
    Observation,
    Owner,
    Sighting,
    Submission,
    SubmitOutcome,
    mark,
)
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.services.group_keeping import Looking
from sciserver_hpc.services.projecting import Address, Waiting
from sciserver_hpc.services.sending import Lane
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.database import new_database
from tests.fakes.jobs import add_job, change_job, make_job, next_job_id
from tests.fakes.scheduler import FakeScheduler
from tests.fakes.strands import Crash, Gate, Strands

QUIET = timedelta(seconds=60)
INTERVAL = timedelta(seconds=2)
DIGEST = "d" * 64
SLURM = Owner(username="slurm", uid=64030, gid=64030)
"""For whom the gate is shut where Slurm itself hangs."""


class Folders:
    """End records, and what gates published, by job folder, as the owners' agents read them."""

    def __init__(self, gate: Gate) -> None:
        self.records: dict[str, list[EndRecord]] = {}
        self.gates: dict[str, SessionRecord] = {}
        self.down = False
        self.gate = gate

    def of(self, owner: Owner) -> Reader:
        if self.down:
            raise Unavailable("agent", "does not start")
        return Reader(self, owner)


class Reader:
    """One owner's agent. What it reads, it reads before it hangs."""

    def __init__(self, folders: Folders, owner: Owner) -> None:
        self._folders = folders
        self._owner = owner

    def session_records(self, folders: Sequence[tuple[str, str]]) -> list[SessionRecord | None]:
        found = [self._folders.gates.get(folder) for _, folder in folders]
        self._folders.gate.stand("session records", self._owner)
        return found

    def end_records(self, folders: Sequence[tuple[str, str]]) -> list[tuple[EndRecord, ...]]:
        found = [tuple(self._folders.records.get(folder, ())) for _, folder in folders]
        self._folders.gate.stand("end records", self._owner)
        return found


class Hanging:
    """`cluster` as the broker reaches it: people's agents and Slurm's answers hang where the gate is shut.

    A look hangs before it looks ("look"), or with what it has seen ("seen", "found", "ended").
    """

    def __init__(self, cluster: FakeScheduler, gate: Gate) -> None:
        self._cluster = cluster
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def submit(self, owner: Owner, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        with self._gate.handing_over(jobs):
            self._gate.stand("submit", owner, jobs)
            outcomes = self._cluster.submit(owner, jobs)
            self._gate.stand("answer", owner)
        return outcomes

    def cancel(self, owner: Owner, slurm_ids: Sequence[int]) -> None:
        self._gate.stand("cancel", owner)
        self._cluster.cancel(owner, slurm_ids)

    def observe(self, since: datetime | None) -> Observation:
        self._gate.stand("look", SLURM)
        seen = self._cluster.observe(since)
        self._gate.stand("seen", SLURM)
        return seen

    def look_up(self, jobs: Sequence[Job]) -> dict[str, Sighting] | None:
        found = self._cluster.look_up(jobs)
        self._gate.stand("found", SLURM)
        return found

    def ended(self, since: datetime) -> frozenset[str] | None:
        ended = self._cluster.ended(since)
        self._gate.stand("ended", SLURM)
        return ended


class NoDisk:
    """Nothing is shared."""

    def due(self) -> list[Waiting]:
        return []

    def work(self, volumes: Sequence[Address], go_on: Callable[[], bool]) -> bool:
        raise AssertionError((volumes, go_on))


def render(wanted: Sequence[tuple[Job, Mapping[int, int]]]) -> dict[str, Submission]:
    """The least the submissions need."""
    return {job.uuid: submission(job) for job, _ in wanted}


def submission(job: Job) -> Submission:
    return Submission(
        uuid=job.uuid,
        mark=mark(job.name, job.uuid),
        root=job.spec.results_root,
        folder=job.spec.folder,
        files=(),
        options=(),
        script="#!/bin/bash\n",
    )


class NoGroups:
    """No group is a Unix group."""

    def due(self) -> tuple[list[str], list[Looking]]:
        return [], []

    def tell(self, names: Sequence[str], go_on: Callable[[], bool]) -> bool:
        raise AssertionError((names, go_on))

    def look(self, looking: Sequence[Looking], go_on: Callable[[], bool]) -> bool:
        raise AssertionError((looking, go_on))


class NothingToSend:
    """Nobody is to be told of anything."""

    def due(self) -> list[Lane]:
        return []

    def send(self, lane: Lane, go_on: Callable[[], bool]) -> bool:
        raise AssertionError((lane, go_on))


class NothingToArchive:
    """All jobs are kept."""

    def due(self) -> bool:
        return False

    def step(self) -> bool:
        raise AssertionError


class Fuse:
    """Burns down with each call of a broker's to the outside; at zero the broker dies, before or after it."""

    def __init__(self) -> None:
        self.left: int | None = None

    def burn(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Crash


class Fused:
    """`target` whose every method burns the fuse before and after."""

    def __init__(self, target: object, fuse: Fuse) -> None:
        self._target = target
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.burn()
            answer = method(*args, **kwargs)
            self._fuse.burn()
            return answer

        return call


class World:
    """Everything around one broker. `restart()` is what remains after kill -9: the rows.

    Errands run as strands: each goes on until it is over or stands at the `gate`, then the turn goes on.
    """

    def __init__(self, folder: Path, rest: timedelta = QUIET) -> None:
        self.clock = FakeClock()
        self._rest = rest
        self.strands = Strands(self.clock)
        self.gate = Gate(self.strands)
        self.wakes = 0
        self.woken = threading.Semaphore(0)
        self.disk: Any = NoDisk()
        self.groups: Any = NoGroups()
        self.outbox: Any = NothingToSend()
        self.store: Any = SqlStore(new_database(folder / "world.db"), now=self.clock.now)
        self.cluster = FakeScheduler(self.clock)
        self.folders = Folders(self.gate)
        self.hanging_cluster = Hanging(self.cluster, self.gate)
        self.fuse = Fuse()
        self.broker = self._new_broker()

    def _new_broker(self, runner: Runner | None = None, patience_s: float = 1.0) -> Broker:
        outside = (self.store, self.hanging_cluster, self.folders)
        store, cluster, folders = (Fused(it, self.fuse) for it in outside)
        return Broker(
            store,
            self.clock,
            {"default": cluster},
            folders,
            render,
            interval=INTERVAL,
            rest=self._rest,
            wake=self._woken,
            disk=self.disk,
            groups=self.groups,
            outbox=self.outbox,
            archive=NothingToArchive(),
            sessions=self._tending(store),
            patience_s=patience_s,
            runner=runner or self.strands,
        )

    def _tending(self, _store: Any) -> Tending | None:
        return None

    def _woken(self) -> None:
        self.wakes += 1
        self.woken.release()

    def crash(self, after_calls: int) -> None:
        """One turn that dies at its `after_calls`-th step to the outside, if it gets so far; a new broker."""
        self.fuse.left = after_calls
        try:
            self.tick()
        except Crash:
            pass
        finally:
            self.fuse.left = None
        self.restart()

    def restart(self) -> None:
        """A new broker that knows nothing but the store; the old one's errands die where they stand."""
        self.strands.kill()
        self.broker = self._new_broker()

    def take_over(self) -> None:
        """Another broker leads; the former one's errands are under way yet."""
        self.gate.under_way.clear()
        self.broker = self._new_broker()

    def use_threads(self) -> None:
        """A broker with real ones, and the patience a busy machine needs."""
        self.broker = self._new_broker(Threads(), patience_s=60.0)

    def close(self) -> None:
        self.strands.kill()
        self.broker.close()
        self.store.close()

    # what people do ---------------------------------------------------------------------------------
    def accept(self, **fields: Any) -> Job:
        """A job as services leave it."""
        job = make_job(next_job_id(self.store), accepted_at=self.now, changed_at=self.now, **fields)
        return add_job(self.store, job, DIGEST, "{}", None, "")  # type: ignore[no-any-return]

    def ask_cancel(self, job: Job, by: str = "alice") -> None:
        """What services write when somebody cancels."""
        current = self.job(job)
        wanted = current.model_copy(update={"cancel_requested": True, "cancel_by": by})
        change_job(self.store, current, wanted, ())

    # what nodes do ------------------------------------------------------------------------------------
    def run(self, slurm_id: int) -> str:
        """Slurm starts a copy: it claims its UUID as the wrapper does. A second copy leaves at once."""
        job = self.store.job_by_uuid(self.uuid_of(slurm_id))
        self.cluster.advance(slurm_id, JobState.RUNNING, node="n1")
        over = job.state.final and job.state is not JobState.LOST
        if over or job.cancel_requested:
            self.end(slurm_id, 96, cause="refused")
            return "refused"
        verdict = str(self.store.claim(job.uuid, DIGEST, slurm_id, 0, None, self.now))
        if verdict != "run":
            self.cluster.advance(slurm_id, JobState.SUCCEEDED, exit_code=0)
        return verdict

    def end(self, slurm_id: int, code: int = 0, cause: str = "") -> None:
        """The payload ends: the wrapper writes its record, Slurm notes the end."""
        submission = self.cluster.submissions[slurm_id]
        record = EndRecord(exit_code=code, slurm_id=slurm_id, cause=cause)
        self.folders.records.setdefault(submission.folder, []).append(record)
        self.cluster.advance(slurm_id, JobState.FAILED if code else JobState.SUCCEEDED, exit_code=code)

    # what time does -----------------------------------------------------------------------------------
    @property
    def now(self) -> datetime:
        return self.clock.now()

    def tick(self, after_s: float = 2.0) -> TickReport:
        """Let time pass, then one turn."""
        self.clock.advance(after_s)
        return self.broker.tick()

    def job(self, job: Job) -> Job:
        found = self.store.job(job.id)
        assert found is not None
        return found  # type: ignore[no-any-return]

    @staticmethod
    def owner_of(job: Job) -> Owner:
        return Owner(username=job.owner, uid=job.uid, gid=job.spec.gid)

    def uuid_of(self, slurm_id: int) -> str:
        return self.cluster.submissions[slurm_id].uuid
