"""Whatever dies, hangs or lies in between: each session opens once, is told once, and ends for a cause."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.sessions import Session, StopCause
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tending import FRESH
from sciserver_hpc.services.heralding import Heralding
from tests.fakes.gates import FakeGate

from .session_world import GAUGE, SessionWorld

READY, OVER = "Ready: its app answers", "Over"
PICK = st.integers(0, 1000)
NAMES = st.sampled_from(["alice", "bob"])


class Teller(Heralding):
    """Notes ends too, so that they can be counted."""

    def over(self, job: Job) -> None:
        self._note(job, OVER)


class ChaosWorld(SessionWorld):
    """Gates know for how long nobody used them by the world's own time, whatever our clock does."""

    herald = Teller

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.real = 0.0
        self.used: dict[str, float] = {}
        self.stops: dict[int, StopCause] = {}
        self.wrong: list[str] = []
        keep = self.store.keep_session
        self.store.keep_session = lambda old, new: self._judged(old, new, keep(old, new))

    def _judged(self, old: Session, new: Session, kept: Session | None) -> Session | None:
        """Also in errands, which let nothing through but a crash: so what is wrong is kept for the end."""
        if kept is not None and old.stop is None and new.stop is not None:
            self.stops[new.job_id] = new.stop
            if not self._has_cause(new):
                self.wrong.append(f"session {new.job_id} was stopped ({new.stop}) without cause")
        if old.stop is not None and new.stop is not old.stop:
            self.wrong.append(f"session {new.job_id}: {old.stop} became {new.stop}")
        return kept

    def _has_cause(self, new: Session) -> bool:
        if new.stop is StopCause.STOPPED:
            found = self.store.session(new.job_id)
            return found is not None and found[0].cancel_requested
        if new.stop is StopCause.TIME:
            return new.time_warned_at is not None and new.ends_at is not None and self.now >= new.ends_at
        return self.real - self.used[new.uuid] >= GAUGE.idle_s - FRESH.total_seconds()

    def tick(self, after_s: float = 2.0) -> Any:
        self.real += after_s
        for gate in self.gates.listening.values():
            gate.idle_s = self.real - self.used.setdefault(gate.uuid, self.real)
        return super().tick(after_s)


class Sessions(RuleBasedStateMachine):
    """Random people and random faults, then peace; in the end the histories are compared with what was."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = ChaosWorld(Path(self.folder.name))
        self.jobs: list[Job] = []
        self.logins: list[tuple[str, int]] = []

    # people
    @rule(name=NAMES, deadline_s=st.sampled_from([300, 3600, None]))
    def ask(self, name: str, deadline_s: int | None) -> None:
        self.jobs.append(self.world.ask(name, deadline_s=deadline_s))

    @rule(name=NAMES, deadline_s=st.sampled_from([300, 3600, None]))
    def a_session_opens(self, name: str, deadline_s: int | None) -> None:
        self.ask(name, deadline_s)
        self.world.tick()
        self.start_one()
        self.world.tick()
        self.come_in(len(self.jobs) - 1)

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        job = self.world.job(self.jobs[pick % len(self.jobs)])
        if not job.state.final and not job.cancel_requested:
            self.world.ask_cancel(job)

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def come_in(self, pick: int) -> None:
        job = self.jobs[pick % len(self.jobs)]
        gate = self.world.gate_of(job)
        if gate is not None and self.world.row(job).address and not self.world.row(job).closed:
            login = self.world.log_in(job.owner)
            self.logins.append((job.owner, login))
            self.world.enter(job, job.owner, login)
            self.world.used[job.uuid] = self.world.real

    @precondition(lambda self: self.logins)
    @rule(pick=PICK)
    def log_out(self, pick: int) -> None:
        self.world.store.revoke_token(*self.logins.pop(pick % len(self.logins)))

    @rule(seconds=st.sampled_from([0.5, 2, 20, 40, 120]))
    def turn(self, seconds: float) -> None:
        self.world.tick(seconds)

    @rule()
    def a_quiet_time(self) -> None:
        """Long enough for a warning and a stop, if nobody is silent or hangs."""
        for seconds in (250, 250, 5, 70, 70, 5):
            self.world.tick(seconds)

    # nodes
    @rule()
    def start_one(self) -> None:
        for slurm_id, made in self.world.cluster.submissions.items():
            if self.world.cluster.state(slurm_id) is JobState.PENDING:
                [job] = [job for job in self.jobs if job.uuid == made.uuid]
                if self.world.run(slurm_id) == "run":
                    self.world.start_app(job, port=40000 + slurm_id)
                return

    @precondition(lambda self: self.world.gates.listening)
    @rule(pick=PICK)
    def use(self, pick: int) -> None:
        self.world.used[self._gate(pick).uuid] = self.world.real

    @precondition(lambda self: self.world.gates.listening)
    @rule(pick=PICK)
    def obey(self, pick: int) -> None:
        gate = self._gate(pick)
        if gate.stop:
            self.world.leave(self._job(gate))

    @precondition(lambda self: self.world.gates.listening)
    @rule(pick=PICK, code=st.sampled_from([0, 1]))
    def the_app_ends(self, pick: int, code: int) -> None:
        gate = self._gate(pick)
        self.world.end(gate.slurm_id, code)

    def _gate(self, pick: int) -> FakeGate:
        gates = [
            gate
            for gate in self.world.gates.listening.values()
            if self.world.cluster.state(gate.slurm_id) is JobState.RUNNING
        ]
        every = gates or list(self.world.gates.listening.values())
        return every[pick % len(every)]

    def _job(self, gate: FakeGate) -> Job:
        return next(job for job in self.jobs if job.uuid == gate.uuid)

    # faults
    @rule(after_calls=st.integers(0, 25))
    def broker_dies(self, after_calls: int) -> None:
        self.world.crash(after_calls)

    @rule()
    def another_leads(self) -> None:
        self.world.take_over()

    @rule(seconds=st.sampled_from([-600, 600]))
    def our_clock_jumps(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @precondition(lambda self: self.world.gates.listening)
    @rule(pick=PICK, silent=st.booleans())
    def a_gate_is_silent(self, pick: int, silent: bool) -> None:
        self._gate(pick).silent = silent

    @rule(uid=st.sampled_from([2001, 2002]), place=st.sampled_from(["gate", "session records"]))
    def somebody_hangs(self, uid: int, place: str) -> None:
        self.world.gate.shut(place, uid)

    @rule()
    def nobody_hangs(self) -> None:
        self.world.gate.open_all()
        self.world.strands.resume_all()

    @rule(down=st.booleans())
    def agents(self, down: bool) -> None:
        self.world.folders.down = down

    # the end
    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._peace()
            assert self.world.wrong == []
            for job in self.jobs:
                self._check(self.world.job(job))
        finally:
            self.world.close()
            self.folder.cleanup()

    def _peace(self) -> None:
        world = self.world
        world.folders.down = False
        self.nobody_hangs()
        for job in self.jobs:
            if not world.job(job).state.final and not world.job(job).cancel_requested:
                world.ask_cancel(job)
        for _ in range(100):
            for gate in list(world.gates.listening.values()):
                gate.silent = False
                if gate.stop and world.cluster.state(gate.slurm_id) is JobState.RUNNING:
                    world.leave(self._job(gate))
            world.tick(10)
            if all(world.row(job).closed for job in self.jobs):
                return

    def _check(self, job: Job) -> None:
        event(f"stopped: {self.world.stops.get(job.id)}, opened: {bool(self.world.row(job).ready_at)}")
        told = self.world.told(job)
        assert job.state.final and self.world.row(job).closed, f"session {job.id}: {job.state}"
        assert told.count(OVER) == 1, f"session {job.id}: its end was told {told.count(OVER)} times"
        assert told.count(READY) == bool(self.world.row(job).ready_at), f"session {job.id}: {told}"
        assert self.world.live(job) == []
        if job.state is JobState.CANCELLED and job.end is not None and "nobody used" in job.end.summary:
            assert self.world.stops[job.id] is StopCause.IDLE


TestSessions = Sessions.TestCase
TestSessions.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
