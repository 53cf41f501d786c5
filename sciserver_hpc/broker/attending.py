"""One session's errand: find its gate, look how it is used, tell its owner and its gate what is due.

Each call writes what it decides before it tells anybody, compared and set: whose row changed meanwhile is
left to the next turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import structlog

from ..domain.errors import Unavailable
from ..domain.gates import GateStatus
from ..domain.jobs import Job
from ..domain.sessions import Gauge, Session, is_of, is_reached
from ..domain.tending import (
    idle_warned,
    idle_warning_due,
    opened,
    seen,
    status_due,
    telling_due,
    time_up_at,
    time_warning_due,
)
from ..ports import Agents, Clock, Gates, Scheduler, Store
from .errands import whose

log = structlog.get_logger(__name__)

Found = tuple[Job, Session]


class Passes(Protocol):
    """See `services.admitting.Admitting`."""

    def over(self, live: Sequence[Found]) -> dict[int, list[int]]:
        """Passes that are good no more, by session. Asks the directory."""
        ...

    def close(self, pass_ids: Sequence[int]) -> None:
        """They are over."""
        ...


class Herald(Protocol):
    """Tells a session's owner; see `services.heralding.Heralding`."""

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


class Attendant:
    """Does what is due for one session."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        schedulers: Mapping[str, Scheduler],
        agents: Agents,
        tending: Tending,
    ) -> None:
        self._store = store
        self._clock = clock
        self._schedulers = schedulers
        self._agents = agents
        self._gates = tending.gates
        self._passes = tending.passes
        self._herald = tending.herald
        self._gauge = tending.gauge

    def tend(self, job: Job, session: Session, over: Sequence[int]) -> bool:
        """All that is due; False while its gate is not found. over: passes that are good no more.

        Raises Unavailable and what agents raise.
        """
        if job.state.final:
            self._close(job, session)
            return True
        if not is_reached(job, session):
            return self._open(job, session)
        if telling_due(session, self._clock.now()):
            session = self._tell(session)
        if over:
            self._turn_out(session, over)
        self._look(job, session)
        return True

    def _close(self, job: Job, session: Session) -> None:
        """It is over: nobody is let in any more, and its owner is told."""
        self._passes.close([one.id for one in self._store.live_passes([job.id])])
        self._note(session, {"closed": True}, partial(self._herald.over, job))

    def _open(self, job: Job, session: Session) -> bool:
        """Find its gate: the port by its record, the host by Slurm's word on the node."""
        owner = whose(job)[1]
        [record] = self._agents.of(owner).session_records([(job.spec.results_root, job.spec.folder)])
        if record is None:
            return False
        if not is_of(record, job):
            log.warning("session record of another run", session=job.id)
            return False
        scheduler = self._schedulers.get(job.cluster)
        host = scheduler and scheduler.address(job.node)
        if not host:
            log.warning("node not known", session=job.id, node=job.node)
            return False
        address = f"[{host}]:{record.port}" if ":" in host else f"{host}:{record.port}"
        status = self._status(job, address)
        new = opened(job, session, address, status, self._clock.now())
        with self._store.transaction():
            if self._store.keep_session(session, new):
                self._herald.started(job)
                log.info("session open", session=job.id, user=job.owner, address=address)
        return True

    def _status(self, job: Job, address: str) -> GateStatus:
        """Raises Unavailable, also where the gate of another run answers: it has the same certificate."""
        status = self._gates.status(address, job.uuid)
        if not is_of(status, job):
            raise Unavailable("gate", "it answers for another run")
        return status

    def _tell(self, session: Session) -> Session:
        """Tell its gate to stop."""
        told = self._keep(session, {"told_at": self._clock.now()})
        if told is not None and session.stop is not None:
            self._gates.stop(session.address, session.uuid, session.stop)
        return told or session

    def _turn_out(self, session: Session, over: Sequence[int]) -> None:
        """End the connections of passes that are good no more, then the passes."""
        closed = self._gates.close(session.address, session.uuid, list(over))
        self._passes.close(over)
        log.info("passes closed", session=session.job_id, passes=len(over), connections=closed)

    def _look(self, job: Job, session: Session) -> None:
        if status_due(session, self._clock.now()):
            status = self._status(job, session.address)
            session = self._store.keep_session(session, seen(session, status, self._clock.now())) or session
        now = self._clock.now()
        if idle_warning_due(session, self._gauge):
            tell = partial(self._herald.idle, job, self._gauge)
            session = self._note(session, idle_warned(session, now), tell)
        if time_warning_due(job, session, self._gauge, now):
            end = time_up_at(job, session, self._gauge, now)
            self._note(session, {"time_warned_at": now}, partial(self._herald.time_left, job, end or now))

    def _note(self, session: Session, fields: Mapping[str, Any], tell: Callable[[], None]) -> Session:
        """Tell it, in one transaction with noting that it was told."""
        with self._store.transaction():
            kept = self._keep(session, fields)
            if kept is not None:
                tell()
        return kept or session

    def _keep(self, session: Session, fields: Mapping[str, Any]) -> Session | None:
        return self._store.keep_session(session, session.model_copy(update=fields))
