"""The broker's world with sessions: gates, passes, and the histories in which owners are told."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from sciserver_hpc.broker.attending import Tending
from sciserver_hpc.broker.tick import TickReport
from sciserver_hpc.domain.gates import SessionRecord
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.sessions import Gauge, Pass, Session, SessionMode
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tokens import TokenKind
from sciserver_hpc.services.admitting import TICKET, Admitting
from sciserver_hpc.services.heralding import Heralding
from sciserver_hpc.services.notifying import Notifying, Ways
from tests.fakes.gates import FakeGate, FakeGates
from tests.fakes.jobs import add_job, next_job_id
from tests.fakes.sessions import make_session_job
from tests.fakes.waker import FakeWaker

from .world import DIGEST, Fused, World

GAUGE = Gauge(idle_s=600, grace_s=120, time_warning_s=300)
PORT = 40001


class SessionWorld(World):
    """See the module. people: who is in the directory; herald: who tells owners."""

    herald: type[Heralding] = Heralding

    def __init__(self, folder: Path) -> None:
        names = ("alice", "bob", "carol")
        self.people = {name: Person(username=name, uid=uid, gid=uid) for uid, name in enumerate(names, 2001)}
        self._numbers = count(1)
        super().__init__(folder)

    def _tending(self, store: Any) -> Tending:
        if not hasattr(self, "gates"):
            self.gates = FakeGates(self.gate)
        gates: Any = Fused(self.gates, self.fuse)
        admitting = Admitting(store, self.clock, self.people.get)
        notifying = Notifying(store, self.clock, FakeWaker(), Ways(False, None, b"k" * 32), "https://portal")
        return Tending(gates, admitting, self.herald(store, self.clock, notifying), GAUGE)

    # people
    def ask(self, name: str = "alice", **fields: Any) -> Job:
        """A session as services leave it."""
        job = make_session_job(
            next_job_id(self.store),
            owner=name,
            uid=self.people[name].uid,
            accepted_at=self.now,
            changed_at=self.now,
            **fields,
        )
        return add_job(self.store, job, DIGEST, "{}", None, "")

    def log_in(self, name: str = "alice", hours: float = 12) -> int:
        digest, until = f"login{next(self._numbers)}", self.clock.now().replace(year=2027)
        token = self.store.add_token(name, TokenKind.LOGIN, "", frozenset(), digest, self.now, until)
        return int(token.id)

    def enter(self, job: Job, name: str = "alice", login: int = 0) -> Pass:
        """Somebody comes in, and has one connection open."""
        secret = f"secret{next(self._numbers)}"
        made = Pass(
            id=0,
            job_id=job.id,
            username=name,
            login=login or self.log_in(name),
            mode=SessionMode.USE,
            created_at=self.now,
            expires_at=self.now + TICKET,
        )
        self.store.add_ticket(made, secret)
        used = self.store.use_ticket(job.id, secret, f"{secret}c", self.now)
        assert used is not None
        if gate := self.gate_of(job):
            gate.open[used.id] = 1
        return used  # type: ignore[no-any-return]

    # nodes
    def slurm_id(self, job: Job) -> int:
        return self.cluster.found(job.uuid)[-1]

    def start_app(self, job: Job, port: int = PORT, **forged: Any) -> FakeGate:
        """Slurm starts it, its app answers: its gate listens and publishes where."""
        slurm_id = self.slurm_id(job)
        if self.cluster.state(slurm_id) is JobState.PENDING:
            assert self.run(slurm_id) == "run"
        told = {"uuid": job.uuid, "slurm_id": slurm_id, "restarts": 0, "port": port}
        self.folders.gates[job.spec.folder] = SessionRecord(**told | forged)
        return self.gates.listen(f"10.0.0.1:{port}", job.uuid, slurm_id, owner=self.owner_of(job))

    def gate_of(self, job: Job) -> FakeGate | None:
        return next((one for one in self.gates.listening.values() if one.uuid == job.uuid), None)

    def leave(self, job: Job, code: int = 0) -> None:
        """The wrapper ends it, with its gate's cause."""
        gate = self.gate_of(job)
        self.end(self.slurm_id(job), code, gate.stop if gate else "")

    def tick(self, after_s: float = 2.0) -> TickReport:
        """Gates are gone with their jobs."""
        for address, one in list(self.gates.listening.items()):
            state = self.cluster.state(one.slurm_id)
            if state is None or state.final:
                del self.gates.listening[address]
        return super().tick(after_s)

    def open(self, name: str = "alice", port: int = PORT, **fields: Any) -> tuple[Job, FakeGate]:
        """One that people may come into."""
        job = self.ask(name, **fields)
        self.tick()
        gate = self.start_app(job, port)
        self.tick()
        self.tick()
        assert self.row(job).address, "it was not found"
        return self.job(job), gate

    # what is seen
    def row(self, job: Job) -> Session:
        found = self.store.session(job.id)
        assert found is not None
        return found[1]  # type: ignore[no-any-return]

    def told(self, job: Job) -> list[str]:
        """What its owner was told of it as a session."""
        return [event.text for event in self.store.events(job.id) if event.kind == "note"]

    def live(self, job: Job) -> list[int]:
        return [one.id for one in self.store.live_passes([job.id])]
