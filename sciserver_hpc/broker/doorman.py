"""Sessions: which of them need anything, and which are to end.

What touches a user's own process (the agent, the gate) is an errand, one at a time per owner: whose gate
hangs delays nobody else (see errands.py). Who may still be in is one errand for all, since it asks the
directory. That a session is to stop is written in the turn itself, before anybody hears of it: so a gate that
hangs can put its end off no longer than `leaves_by_itself` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from ..domain.access import SITE
from ..domain.errors import SciServerError
from ..domain.jobs import EventKind, Job
from ..domain.lifecycle import step
from ..domain.scheduling import Owner
from ..domain.sessions import Session, is_reached
from ..domain.states import JobState
from ..domain.tending import (
    idle_warning_due,
    insisting_due,
    leaves_by_itself,
    status_due,
    stop_due,
    telling_due,
    time_warning_due,
)
from ..ports import Agents, Clock, Scheduler, Store
from .attending import Attendant, Found, Tending
from .errands import Errands, Whose, whose

log = structlog.get_logger(__name__)

KIND, PASSES = "sessions", "passes"

EVERYBODY: Whose = (" passes", Owner(username="nobody", uid=65534, gid=65534))
"""Nobody's agent: no cluster is called so."""

CREDIT_S = 15.0
"""An owner's gates, asked one after the other, may take so long before their owner counts as slow."""

AGAIN = timedelta(seconds=3)
"""A gate that was not found, or did not answer, is looked for again so much later."""


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
        self._passes = tending.passes
        self._gauge = tending.gauge
        self._errands = errands
        self._attendant = Attendant(store, clock, schedulers, agents, tending)
        self._known: dict[int, Session] = {}
        self._over: dict[int, list[int]] = {}
        self._in_vain: dict[int, tuple[datetime, int]] = {}
        """By session when it was looked for in vain, and its row's version then."""

    def holds(self, job: Job) -> bool:
        """Is the cancel of this job left to its gate for now?"""
        return leaves_by_itself(job, self._known.get(job.id), self._clock.now())

    def start(self) -> None:
        """Decide which are to stop; start what is due and finds a place. Raises Unavailable (database)."""
        found = [self._decided(job, session) for job, session in self._store.sessions_to_tend()]
        self._known = {job.id: session for job, session in found}
        for number in set(self._in_vain) - set(self._known):
            del self._in_vain[number]  # in place: an errand may be adding to it
        if found:
            look = {EVERYBODY: partial(self._look_over, found)}
            self._errands.start(PASSES, look, CREDIT_S, to_agent=False)
        due: dict[Whose, list[Found]] = defaultdict(list)
        for job, session in found:
            if self._is_due(job, session):
                due[whose(job)].append((job, session))
        self._errands.start(KIND, {one: partial(self._tend, mine) for one, mine in due.items()}, CREDIT_S)

    def _decided(self, job: Job, session: Session) -> Found:
        now = self._clock.now()
        cause = stop_due(job, session, self._gauge, now)
        if cause is not None:
            kept = self._store.keep_session(
                session, session.model_copy(update={"stop": cause, "stop_at": now})
            )
            log.info("session to stop", session=job.id, cause=cause)
            return job, kept or session
        if insisting_due(job, session, now):
            self._insist(job, session, now)
        return job, session

    def _insist(self, job: Job, session: Session, now: datetime) -> None:
        """Its gate was told and it lives: the rest is Slurm's, by a cancel as a person's."""
        text = f"Its gate did not end it ({session.stop}); Slurm is told to"
        asked = step(job, now, text, EventKind.CANCEL, cancel_requested=True, cancel_by=SITE)
        self._store.change_jobs([(asked.old, asked.new, asked.events)])
        log.warning("gate did not stop", session=job.id, cause=session.stop)

    def _is_due(self, job: Job, session: Session) -> bool:
        if job.state.final:
            return True
        if job.state is not JobState.RUNNING:
            return False
        now = self._clock.now()
        at, version = self._in_vain.get(job.id, (now - AGAIN, 0))
        # A gate that knocks changes the row.
        if abs(now - at) < AGAIN and version == session.version:
            return False
        if not is_reached(job, session) or self._over.get(job.id):
            return True
        warned = idle_warning_due(session, self._gauge) or time_warning_due(job, session, self._gauge, now)
        return warned or status_due(session, now) or telling_due(session, now)

    def _look_over(self, found: Sequence[Found]) -> bool:
        """Find passes that are good no more; True when there are new ones, for which another turn comes."""
        over, before = self._passes.over(found), self._over
        self._over = over
        return any(set(passes) - set(before.get(number, ())) for number, passes in over.items())

    def _tend(self, found: Sequence[Found]) -> bool:
        answered = True
        for job, session in found:
            try:
                done = self._attendant.tend(job, session, self._over.get(job.id, ()))
            except SciServerError as error:
                done = answered = False
                log.info("gate in vain", session=job.id, error=str(error))
            if done:
                self._in_vain.pop(job.id, None)
                self._over.pop(job.id, None)
            else:
                self._in_vain[job.id] = self._clock.now(), session.version
        return answered
