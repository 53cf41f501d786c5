"""Sessions: who lets people in, looks how they are used, and sees to their end.

All that touches a user's own process (the agent, the gate) is an errand, one at a time per owner: whose gate
hangs delays nobody else (see errands.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

import structlog

from ..domain.errors import SciServerError
from ..domain.gates import GateStatus, SessionRecord
from ..domain.jobs import Job
from ..domain.sessions import Gauge, Session, StopCause, ends_at
from ..domain.states import JobState
from ..domain.tending import (
    idle_warning_due,
    leaves_by_itself,
    opened,
    seen,
    status_due,
    stop_due,
    time_warning_due,
)
from ..ports import Agents, Clock, Gates, Scheduler, Store
from .errands import Errands, Whose, whose

log = structlog.get_logger(__name__)

KIND = "sessions"
CREDIT_S = 15.0
"""An owner's gates, asked one after the other, may take so long before their owner counts as slow."""

AGAIN = timedelta(seconds=3)
"""A gate that was not found, or did not answer, is looked for again so much later."""

Found = tuple[Job, Session]


class Passes(Protocol):
    """See `services.admitting.Admitting`."""

    def over(self, live: Sequence[Found]) -> dict[int, list[int]]:
        """Passes that are good no more, by session."""
        ...

    def close(self, pass_ids: Sequence[int]) -> None:
        """They are over."""
        ...


class Herald(Protocol):
    """Tells a session's owner; see `services.heralding.Heralding`. Each once, whoever asks how often."""

    def started(self, job: Job) -> None: ...
    def idle(self, job: Job, gauge: Gauge) -> None: ...
    def time_left(self, job: Job, end: datetime) -> None: ...
    def over(self, job: Job) -> None: ...


@dataclass(frozen=True)
class Tending:
    """What sessions need beside the broker's own: how gates are reached, who may be in, who is told, when."""

    gates: Gates
    passes: Passes
    herald: Herald
    gauge: Gauge


class Doorman:
    """Tends all sessions of one broker."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        schedulers: Mapping[str, Scheduler],
        agents: Agents,
        tending: Tending,
        errands: Errands,
    ) -> None:
        self._store = store
        self._clock = clock
        self._schedulers = schedulers
        self._agents = agents
        self._gates = tending.gates
        self._passes = tending.passes
        self._herald = tending.herald
        self._gauge = tending.gauge
        self._errands = errands
        self._known: dict[int, Session] = {}
        self._in_vain: dict[int, datetime] = {}

    def holds(self, job: Job) -> bool:
        """Is the cancel of this job left to its gate for now?"""
        return leaves_by_itself(job, self._known.get(job.id), self._clock.now())

    def start(self) -> None:
        """Start what is due and finds a place. Raises Unavailable (the database)."""
        found = self._store.sessions_not_closed()
        self._known = {job.id: session for job, session in found}
        self._in_vain = {number: at for number, at in self._in_vain.items() if number in self._known}
        over = self._passes.over(found) if found else {}
        due: dict[Whose, list[Found]] = defaultdict(list)
        for job, session in found:
            if self._is_due(job, session, bool(over.get(job.id))):
                due[whose(job)].append((job, session))
        errands = {one: partial(self._tend, mine, over) for one, mine in due.items()}
        self._errands.start(KIND, errands, CREDIT_S)

    def _is_due(self, job: Job, session: Session, strangers: bool) -> bool:
        if job.state.final:
            return True
        if job.state is not JobState.RUNNING:
            return False
        now = self._clock.now()
        tried = self._in_vain.get(job.id)
        if tried is not None and now - tried < AGAIN and not session.knocked:
            return False
        if not session.address or strangers or status_due(session, now):
            return True
        warned = idle_warning_due(session, self._gauge) or time_warning_due(job, session, self._gauge, now)
        return warned or stop_due(job, session, self._gauge, now) is not None

    def _tend(self, found: Sequence[Found], over: Mapping[int, Sequence[int]]) -> bool:
        answered = True
        for job, session in found:
            try:
                self._tend_one(job, session, over.get(job.id, ()))
                self._in_vain.pop(job.id, None)
            except SciServerError as error:
                answered = False
                self._in_vain[job.id] = self._clock.now()
                log.info("gate in vain", session=job.id, error=str(error))
        return answered

    def _tend_one(self, job: Job, session: Session, over: Sequence[int]) -> None:
        if job.state.final:
            self._close(job, session)
        elif not session.address:
            self._open(job, session)
        else:
            self._turn_out(session, over)
            self._look(job, session)

    def _close(self, job: Job, session: Session) -> None:
        """It is over: nobody is let in any more, and its owner is told."""
        self._passes.close([one.id for one in self._store.live_passes([job.id])])
        with self._store.transaction():
            if self._keep(session, closed=True):
                self._herald.over(job)

    def _open(self, job: Job, session: Session) -> None:
        """Find its gate: the port by its record, the host by Slurm's word on the node."""
        owner = whose(job)[1]
        [record] = self._agents.of(owner).session_records([(job.spec.results_root, job.spec.folder)])
        if record is None or not _of(record, job):
            self._in_vain[job.id] = self._clock.now()
            return
        host = self._schedulers[job.cluster].address(job.node)
        if host is None:
            log.warning("node not known", session=job.id, node=job.node)
            self._in_vain[job.id] = self._clock.now()
            return
        address = f"[{host}]:{record.port}" if ":" in host else f"{host}:{record.port}"
        status = self._gates.status(address, job.uuid)
        now = self._clock.now()
        with self._store.transaction():
            if self._store.keep_session(session, opened(job, session, address, status, now)):
                self._herald.started(job)
                log.info("session open", session=job.id, user=job.owner, address=address)

    def _turn_out(self, session: Session, over: Sequence[int]) -> None:
        """End the connections of passes that are good no more, then the passes."""
        if over:
            closed = self._gates.close(session.address, session.uuid, list(over))
            self._passes.close(over)
            log.info("passes closed", session=session.job_id, passes=len(over), connections=closed)

    def _look(self, job: Job, session: Session) -> None:
        now = self._clock.now()
        if status_due(session, now):
            session = self._renew(session, self._gates.status(session.address, session.uuid))
        if idle_warning_due(session, self._gauge):
            with self._store.transaction():
                session = self._keep(session, idle_warned_at=now) or session
                self._herald.idle(job, self._gauge)
        if time_warning_due(job, session, self._gauge, now):
            self._warn_of_time(job, session, now)
        cause = stop_due(job, session, self._gauge, now)
        if cause is not None:
            self._stop(session, cause, now)

    def _warn_of_time(self, job: Job, session: Session, now: datetime) -> None:
        end = ends_at(job, session)
        with self._store.transaction():
            if end is not None and self._keep(session, time_warned_at=now):
                self._herald.time_left(job, end)

    def _stop(self, session: Session, cause: StopCause, now: datetime) -> None:
        """The row first: where the gate does not answer, Slurm's cancel follows all the same."""
        if self._keep(session, stop=cause, stop_at=now):
            log.info("session told to stop", session=session.job_id, cause=cause)
            self._gates.stop(session.address, session.uuid, cause)

    def _renew(self, session: Session, status: GateStatus) -> Session:
        told = seen(session, status, self._clock.now())
        return self._store.keep_session(session, told) or session

    def _keep(self, session: Session, **fields: Any) -> Session | None:
        return self._store.keep_session(session, session.model_copy(update=fields))


def _of(record: SessionRecord, job: Job) -> bool:
    """Of the copy that runs? A record of an earlier one may lie in the folder."""
    mine = job.claimed_by or job.slurm_id
    return record.uuid == job.uuid and record.slurm_id == mine and record.restarts == job.restarts
