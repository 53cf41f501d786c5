"""Requests of one person that come at once are accepted together: one transaction for all of them.

A loop of `sciserver-submit` under xargs -P, or a script with threads, asks on several connections. Each alone
would wait for the database's one write lock and pay for a transaction of its own. So whoever comes while
another request of the same person is being accepted waits for that, and the first of those that waited takes
all of them along (databases call it group commit).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..domain.jobs import Job, JobRequest
from ..domain.people import Person
from .accepting import Outcome

MOST = 25
"""Requests accepted in one transaction: the database's write lock is everybody's."""

Asked = tuple[JobRequest, str | None]
"""A request and its idempotency key."""

Accept = Callable[[Person, Sequence[Asked]], list[Outcome]]
"""See `Acceptor.accept_many`."""


@dataclass
class _Waiting:
    """A request on its way. `turn`: set when its outcome is there, or when it leads the next."""

    asked: Asked
    turn: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | BaseException | None = None


class Together:
    """Passes requests of a person on to `accept`, those that come meanwhile in one call."""

    def __init__(self, accept: Accept) -> None:
        self._accept = accept
        self._lock = threading.Lock()
        self._queues: dict[Person, list[_Waiting]] = {}
        """Of each person who is being served: those who wait. A person whose groups changed meanwhile is
        another key, and judged by those."""

    def accept(self, person: Person, asked: Asked) -> tuple[Job, bool]:
        """The job of one request and whether it is new.

        Raises what the request's own outcome is, or what was raised for all that it was passed on with.
        """
        mine = _Waiting(asked)
        with self._lock:
            queue = self._queues.get(person)
            if queue is None:
                self._queues[person] = []
            else:
                queue.append(mine)
        if queue is not None:
            mine.turn.wait()
        outcome = mine.outcome or self._lead(person, mine)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def waiting(self, person: Person) -> int:
        """How many wait just now for a request of the person that is being accepted."""
        with self._lock:
            return len(self._queues.get(person, ()))

    def _lead(self, person: Person, mine: _Waiting) -> Outcome | BaseException:
        with self._lock:
            queue = self._queues[person]
            together = [mine, *queue[: MOST - 1]]
            del queue[: MOST - 1]
        outcomes: Sequence[Outcome | BaseException]
        try:
            outcomes = self._accept(person, [one.asked for one in together])
        except BaseException as error:
            outcomes = [error] * len(together)
        for one, outcome in zip(together, outcomes, strict=True):
            one.outcome = outcome
        self._pass_on(person)
        for one in together:
            one.turn.set()
        return outcomes[0]

    def _pass_on(self, person: Person) -> None:
        """Let the first of those who came meanwhile lead, if any."""
        with self._lock:
            queue = self._queues[person]
            if queue:
                queue.pop(0).turn.set()
            else:
                del self._queues[person]
