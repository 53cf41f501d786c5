"""One turn of the broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..domain.jobs import Job
from ..domain.scheduling import Observation
from ..domain.states import JobState
from ..ports import Agents, Clock, Scheduler, Store
from .cancelling import Canceller
from .errands import Errands
from .observing import Observer
from .runner import Runner
from .submitting import Renderer, Submitter

ENDINGS_EVERY = timedelta(seconds=15)
"""Accounting is asked less often: finished jobs stay in the queue's answer for minutes anyway."""

PATIENCE_S = 1.0
"""How long a turn waits for the errands of one kind: an agent that is well needs a fraction of it."""


@dataclass(frozen=True)
class TickReport:
    """What a turn did. Times in seconds."""

    active: int
    submitted: int
    more: bool
    """More is ready, of people who are not waited for already: the next turn should come at once."""
    observed: bool
    took_s: float


class Broker:
    """Turns accepted jobs into Slurm jobs and Slurm's news into rows. Call `tick` from one thread.

    `wake` is called from errands' threads when one brings news after its turn; it must neither wait nor fail.
    `hand_over`: the longest one call to an agent may take (see `Submitter`).
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        schedulers: Mapping[str, Scheduler],
        agents: Agents,
        render: Renderer,
        *,
        interval: timedelta,
        quiet: timedelta,
        hand_over: timedelta,
        wake: Callable[[], None],
        patience_s: float = PATIENCE_S,
        runner: Runner | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._errands = Errands(patience_s, wake, runner)
        self._submitter = Submitter(store, clock, schedulers, render, self._errands, quiet, hand_over)
        self._canceller = Canceller(clock, schedulers, self._errands)
        under_way = self._submitter.under_way
        self._observers = {
            cluster: Observer(store, clock, scheduler, agents, self._errands, under_way, quiet)
            for cluster, scheduler in schedulers.items()
        }
        self._observed_at: datetime | None = None
        self._endings_at: datetime | None = None

    def tick(self) -> TickReport:
        """Submit what is ready, send cancels, and look at the clusters where a look is due.

        Raises Unavailable when the database is away; nothing is lost then, the next turn does the same work.
        """
        begun = time.monotonic()
        waiting = self._store.waiting_jobs()
        submitted, more = self._submitter.submit_ready(waiting)
        cancels, observed = any(job.cancel_requested for job in waiting), self._look_due()
        # All active jobs are read only where they are needed: a turn comes with every job that is accepted.
        jobs = self._store.active_jobs() if cancels or observed else waiting
        if cancels:
            more |= self._canceller.cancel_requested(jobs)
        if observed:
            self._observe(jobs)
        return TickReport(len(jobs), submitted, more, observed, time.monotonic() - begun)

    def close(self) -> None:
        """Wait a little for errands under way; what is not back then is left as a kill would leave it."""
        self._errands.close()

    def _look_due(self) -> bool:
        now = self._clock.now()
        due = self._observed_at is None or now - self._observed_at >= self._interval
        if due:
            self._observed_at = now
        return due

    def _endings_due(self) -> bool:
        now = self._clock.now()
        due = self._endings_at is None or now - self._endings_at >= ENDINGS_EVERY
        if due:
            self._endings_at = now
        return due

    def _observe(self, jobs: list[Job]) -> None:
        """Now and then also where no job is: that a cluster is away, or back, is told before work comes."""
        endings = self._endings_due()
        for cluster, observer in self._observers.items():
            mine = [job for job in jobs if job.cluster == cluster and job.state is not JobState.ACCEPTED]
            if mine or endings:
                self._tell(cluster, observer.observe(mine, endings))

    def _tell(self, cluster: str, seen: Observation) -> None:
        """Leave word for the portal's banner on whether the cluster answers."""
        value = {"ok": seen.live_complete, "problem": seen.problem, "at": seen.at.isoformat()}
        self._store.note(f"cluster:{cluster}", value)
