"""One turn of the broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ..domain.jobs import Job
from ..domain.scheduling import Observation
from ..domain.states import JobState
from ..ports import Agents, Clock, Scheduler, Store
from .cancelling import Canceller
from .errands import Errands
from .grouping import Grouper, Groups
from .observing import Observer
from .projecting import Projector, Work
from .rhythm import Rhythm
from .runner import Runner
from .submitting import Renderer, Submitter

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
    pause_s: float
    """Nothing is due for so long."""


class Broker:
    """Turns accepted jobs into Slurm jobs and Slurm's news into rows. Call `tick` from one thread.

    `wake` is called from errands' threads when one brings news after its turn; it must neither wait nor fail.
    `hand_over`: the longest one call to an agent may take (see `Submitter`); disk, groups: what
    filesystems and Unix groups need.
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
        disk: Work,
        groups: Groups,
        patience_s: float = PATIENCE_S,
        runner: Runner | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rhythm = Rhythm(interval)
        self._errands = Errands(patience_s, wake, runner)
        self._submitter = Submitter(store, clock, schedulers, render, self._errands, quiet, hand_over)
        self._canceller = Canceller(clock, schedulers, self._errands)
        self._projector = Projector(disk, self._errands)
        self._grouper = Grouper(groups, self._errands)
        under_way = self._submitter.under_way
        self._observers = {
            cluster: Observer(store, clock, scheduler, agents, self._errands, under_way, quiet)
            for cluster, scheduler in schedulers.items()
        }

    def tick(self) -> TickReport:
        """Submit what is ready, send cancels, look at the clusters where a look is due, and let filesystems
        and Unix groups follow.

        Raises Unavailable when the database is away; nothing is lost then, the next turn does the same work.
        """
        begun = time.monotonic()
        waiting = self._store.waiting_jobs()
        submitted, more = self._submitter.submit_ready(waiting)
        cancels, observed = any(job.cancel_requested for job in waiting), self._look_now()
        # All active jobs are read only where they are needed: a turn comes with every job that is accepted.
        jobs = self._store.active_jobs() if cancels or observed else waiting
        if cancels:
            more |= self._canceller.cancel_requested(jobs)
        if observed:
            self._observe(jobs)
        self._grouper.start()
        self._projector.start()
        pause = self._rhythm.pause(self._clock.now())
        took_s = time.monotonic() - begun
        return TickReport(len(jobs), submitted, more, observed, took_s, pause.total_seconds())

    def close(self) -> None:
        """Wait a little for errands under way; what is not back then is left as a kill would leave it."""
        self._errands.close()

    def _look_now(self) -> bool:
        """Is it time for a look at the clusters, or has accounting news of one?"""
        now = self._clock.now()
        return self._rhythm.look_due(now) or (
            self._rhythm.listen_due(now) and self._is_news() and self._rhythm.hurry(now)
        )

    def _is_news(self) -> bool:
        return any(observer.listen() for observer in self._observers.values())

    def _observe(self, jobs: list[Job]) -> None:
        """Now and then also where no job is: that a cluster is away, or back, is told before work comes."""
        endings = self._rhythm.endings_due(self._clock.now())
        for cluster, observer in self._observers.items():
            mine = [job for job in jobs if job.cluster == cluster and job.state is not JobState.ACCEPTED]
            if mine or endings:
                self._tell(cluster, observer.observe(mine, endings), endings)

    def _tell(self, cluster: str, seen: Observation, endings: bool) -> None:
        """Leave word for the portal's banner on whether the cluster and, where it was asked, its accounting
        answers."""
        self._note(f"cluster:{cluster}", seen, seen.problem)
        if endings:
            self._note(f"accounting:{cluster}", seen, seen.ended_problem)

    def _note(self, key: str, seen: Observation, problem: str) -> None:
        self._store.note(key, {"ok": not problem, "problem": problem, "at": seen.at.isoformat()})
