"""One turn of the broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ..domain.jobs import Job
from ..domain.states import JobState
from ..ports import Agents, Clock, Scheduler, Store
from .archiving import Archive, Archivist
from .attending import Tending
from .cancelling import Canceller
from .doorman import Doorman
from .errands import Errands
from .grouping import Grouper, Groups
from .listening import Listener
from .looking import Look, Looker
from .notifying import NotificationSender, Outbox
from .observing import Observer
from .projecting import Projector, Work
from .question import Question
from .rhythm import Rhythm
from .runner import Runner, Threads
from .straying import Strays
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
    """Looks at the clusters were due."""
    took_s: float
    pause_s: float
    """Nothing is due for so long."""


class Broker:
    """Turns accepted jobs into Slurm jobs and Slurm's news into rows. Call `tick` from one thread.

    `wake` is called from errands' threads when one brings news after its turn; it must neither wait nor fail.
    `rest`: how long a doubt about a submission rests, which is until nothing of it can still be on its way;
    disk, groups, sessions: what filesystems, Unix groups and sessions need; outbox: notifications; archive:
    jobs long over.
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
        rest: timedelta,
        wake: Callable[[], None],
        disk: Work,
        groups: Groups,
        outbox: Outbox,
        archive: Archive,
        sessions: Tending | None = None,
        patience_s: float = PATIENCE_S,
        runner: Runner | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._schedulers = schedulers
        self._agents = agents
        self._rest = rest
        self._wake = wake
        self._runner = runner or Threads()
        self._rhythm = Rhythm(interval)
        self._errands = Errands(patience_s, wake, self._runner)
        self._submitter = Submitter(store, clock, schedulers, render, self._errands, rest)
        self._doorman = sessions and Doorman(store, clock, schedulers, agents, sessions, self._errands)
        held = self._doorman.holds if self._doorman else _by_nobody
        self._canceller = Canceller(clock, schedulers, self._errands, held)
        self._projector = Projector(disk, self._errands)
        self._grouper = Grouper(groups, self._errands)
        self._sender = NotificationSender(outbox, self._errands)
        self._archivist = Archivist(archive, self._errands)
        self.begin()

    def begin(self) -> None:
        """Begin to lead: what was seen or asked before, perhaps under another leader, tells nothing now."""
        self._observers = {cluster: self._observer(it) for cluster, it in self._schedulers.items()}
        self._strays = {cluster: Strays(self._store, cluster) for cluster in self._schedulers}

    def _observer(self, scheduler: Scheduler) -> Observer:
        looks: Question[Look] = Question(self._runner, self._wake)
        looker = Looker(self._clock, scheduler, looks, self._submitter.under_way)
        listener = Listener(self._clock, scheduler, Question(self._runner, self._wake))
        return Observer(self._store, self._clock, looker, listener, self._agents, self._errands, self._rest)

    def tick(self) -> TickReport:
        """Submit what is ready, record what looks at the clusters showed, send cancels, begin looks that are
        due, let filesystems and Unix groups follow, send notifications, and archive.

        Raises Unavailable when the database is away; nothing is lost then, the next turn does the same work.
        """
        begun = time.monotonic()
        waiting = self._store.waiting_jobs()
        submitted, more = self._submitter.submit_ready(waiting)
        self._settle()
        if self._doorman:
            self._doorman.start()  # before cancels: it knows which are left to gates
        cancels, look = any(job.cancel_requested for job in waiting), self._look_now()
        # All active jobs are read only where they are needed: a turn comes with every job that is accepted.
        jobs = self._store.active_jobs() if cancels or look else waiting
        if cancels:
            more |= self._canceller.cancel_requested(jobs)
        if look:
            self._look(jobs)
        self._settle()
        self._grouper.start()
        self._projector.start()
        self._sender.start()
        self._archivist.start()
        pause = self._rhythm.pause(self._clock.now())
        took_s = time.monotonic() - begun
        return TickReport(len(jobs), submitted, more, look, took_s, pause.total_seconds())

    def close(self) -> None:
        """Wait a little for errands under way; what is not back then is left as a kill would leave it."""
        self._errands.close()

    def _look_now(self) -> bool:
        """Is it time for a look at the clusters, or has accounting news of one?"""
        now = self._clock.now()
        if self._rhythm.look_due(now):
            return True
        if self._rhythm.listen_due(now):
            for observer in self._observers.values():
                observer.listen()
        news = [observer.is_news() for observer in self._observers.values()]
        return any(news) and self._rhythm.hurry(now)

    def _look(self, jobs: list[Job]) -> None:
        """A cluster whose last look is out still is passed over."""
        for cluster, observer in self._observers.items():
            observer.look([j for j in jobs if j.cluster == cluster and j.state is not JobState.ACCEPTED])

    def _settle(self) -> None:
        for cluster, observer in self._observers.items():
            look = observer.settle()
            if look is not None:
                self._tell(cluster, look)
                self._strays[cluster].heed(look)

    def _tell(self, cluster: str, look: Look) -> None:
        """Leave word for the portal's banner on whether the cluster and, where it was asked, its accounting
        answers."""
        self._note(f"cluster:{cluster}", look.seen.problem)
        if look.whole:
            self._note(f"accounting:{cluster}", look.seen.ended_problem)

    def _note(self, key: str, problem: str) -> None:
        at = self._clock.now().isoformat()
        self._store.note(key, {"ok": not problem, "problem": problem, "at": at})


def _by_nobody(_: Job) -> bool:
    return False
