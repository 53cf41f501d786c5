"""Errands: work with one owner's agent that may outlive the turn it began in.

An agent runs as its user, who can stop it, replace it, or make it answer just in time. So a turn starts its
errands and waits for all of one kind together no longer than `patience_s`; what is not back by then goes on
in its thread, records its own outcome, and wakes the loop. Why nobody waits for another's agent:

- **One errand of a kind at a time per owner.** However much work somebody has, their hanging agent holds no
  more threads than one errand of each kind has (two for submitting).
- **Places.** QUICK errands of each kind are under way at once, since more would only crowd the machine that
  sbatch runs on. One that is out longer than `patience_s` waits rather than works: it gives its place up. So
  agents that begin to hang all at once delay a prompt one by `patience_s` per QUICK of them, and once.
- **The slow lane.** From then on such an owner is slow, until an errand is back in time with what was asked.
  Errands of slow owners share SLOW places of their own, and no turn waits for them: who lets us wait delays
  those alone who do the same. (Whose agent hangs at every other errand takes a place for `patience_s` each
  time, and is out for as long as it hangs.)
- **Least recently served first**, so that a few owners who are always due keep nobody from a place.
- **Threads are bounded.** At most QUICK of a kind begin per `patience_s`, and none is out longer than its
  agent calls' time-outs (50 s for a batch of jobs): some hundreds at the worst, all asleep.

Errands that are long by nature (walks through volumes) are started and not waited for; they take the places
of their own kind alone. What goes to no agent but to a system of the site's is never slow.

Nothing waits in a queue beyond its turn: what found no place is offered again by the next, by fresh rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from ..domain.errors import SciServerError
from ..domain.jobs import Job
from ..domain.scheduling import Owner
from .runner import Runner, Threads

log = structlog.get_logger(__name__)

QUICK = 4
"""Owners served side by side, for each kind of errand."""

SLOW = 8
"""Slow owners served side by side."""

LAST_WORDS_S = 10.0
"""How long the end of the process waits for errands. What comes later is looked up by the next broker."""

Whose = tuple[str, Owner]
"""Cluster and owner: whose agent an errand goes to."""

Errand = Callable[[], bool]
"""The work, with its recording; False when the agent did not do it. Runs in a thread of its own."""


def whose(job: Job) -> Whose:
    """To whose agent a job's errands go."""
    return job.cluster, Owner(username=job.owner, uid=job.uid, gid=job.spec.gid)


@dataclass(frozen=True)
class Turnout:
    """What became of a turn's errands while it waited."""

    started: frozenset[Whose]
    answered: frozenset[Whose]
    """Back in time, with what was asked."""
    crowded: bool
    """A prompt owner found no place; another turn has one in a moment."""


@dataclass(frozen=True)
class _Terms:
    """On which errands start: how long one may be out, does the turn wait for it, is it to an agent?"""

    credit_s: float
    waited_for: bool
    to_agent: bool = True


@dataclass
class _Out:
    """An errand under way. `tardy_at`: when it has used its owner's credit up; `late`: no turn waits;
    `to_agent`: as in _Terms."""

    kind: str
    whose: Whose
    tardy_at: float
    answered: bool = False
    late: bool = False
    to_agent: bool = True

    def is_slow(self, now: float) -> bool:
        """Does it make its owner one who is slow?"""
        return self.to_agent and now >= self.tardy_at


class Errands:
    """All errands of one broker. `wake` is called when one brings news after its turn; it must not fail."""

    def __init__(self, patience_s: float, wake: Callable[[], None], runner: Runner | None = None) -> None:
        self._patience_s = patience_s
        self._wake = wake
        self._runner = runner or Threads()
        self._lock = threading.Lock()
        self._out: dict[tuple[str, Whose], _Out] = {}
        self._slow: set[Whose] = set()
        self._served: dict[tuple[str, Whose], float] = {}
        self._closed = False

    def run(self, kind: str, errands: Mapping[Whose, Errand]) -> Turnout:
        """Start those that find a place, and wait for those of prompt owners, at most `patience_s`.

        An owner whose earlier errand of this `kind` is still out is passed over.
        """
        deadline = self._runner.now() + self._patience_s
        waiting, terms = self._due(kind, errands), _Terms(self._patience_s, waited_for=True)
        mine: dict[Whose, _Out] = {}
        while True:
            mine |= self._start(kind, [one for one in waiting if one not in mine], errands, terms)
            now = self._runner.now()
            next_at = self._next_at(kind, waiting, mine, now)
            if next_at is None or now >= deadline:
                return self._turnout(waiting, mine)
            self._runner.wait(min(deadline, next_at) - now)

    def start(
        self, kind: str, errands: Mapping[Whose, Errand], credit_s: float, *, to_agent: bool = True
    ) -> None:
        """Start those that find a place, and wait for none: each wakes the loop when it is back.

        credit_s: how long one may be out before its owner counts as slow; to_agent: False for what is the
        site's own, which never counts as slow, since whose agents hang would then keep it waiting.
        """
        terms = _Terms(credit_s, waited_for=False, to_agent=to_agent)
        self._start(kind, self._due(kind, errands), errands, terms)

    def in_time(self, kind: str, whose: Whose) -> bool:
        """Asked by an errand of several calls before the next one: is it still within its turn's patience?"""
        with self._lock:
            out = self._out.get((kind, whose))
            return out is not None and not self._closed and self._runner.now() < out.tardy_at

    def side_by_side(self, parts: Sequence[Callable[[], None]]) -> None:
        """Asked by an errand: do its parts at once; back when all are over. Raises what one raised."""
        self._runner.side_by_side(parts)

    def close(self) -> None:
        """Start nothing more; wait LAST_WORDS_S for what is out, then leave it behind as a kill would."""
        with self._lock:
            self._closed = True
        deadline = self._runner.now() + LAST_WORDS_S
        while self._out and (left := deadline - self._runner.now()) > 0:
            self._runner.wait(left)
        if self._out:
            log.warning("errands left behind", count=len(self._out))

    def _due(self, kind: str, errands: Mapping[Whose, Errand]) -> list[Whose]:
        with self._lock:
            free = [one for one in errands if (kind, one) not in self._out]
            return sorted(free, key=lambda one: self._served.get((kind, one), 0.0))

    def _start(
        self, kind: str, waiting: Sequence[Whose], errands: Mapping[Whose, Errand], terms: _Terms
    ) -> dict[Whose, _Out]:
        started: dict[Whose, _Out] = {}
        for one in waiting:
            out = self._take_place(kind, one, terms)
            if out is not None:
                started[one] = out
                self._begin(out, errands[one])
        return started

    def _begin(self, out: _Out, errand: Errand) -> None:
        try:
            self._runner.start(partial(self._go, out, errand))
        except RuntimeError:  # the machine gives no more threads
            self._come_back(out, answered=False)
            raise

    def _take_place(self, kind: str, whose: Whose, terms: _Terms) -> _Out | None:
        with self._lock:
            now = self._runner.now()
            self._note_slow(now)
            slow = whose in self._slow
            lane = [out for out in self._out.values() if (out.whose in self._slow) is slow]
            taken = len(lane) if slow else sum(out.kind == kind for out in lane)
            if self._closed or taken >= (SLOW if slow else QUICK):
                return None
            late, to_agent = not terms.waited_for, terms.to_agent
            out = _Out(kind, whose, now + terms.credit_s, late=late, to_agent=to_agent)
            self._out[kind, whose] = out
            self._served[kind, whose] = now
            return out

    def _note_slow(self, now: float) -> None:
        self._slow |= {out.whose for out in self._out.values() if out.is_slow(now)}

    def _next_at(
        self, kind: str, waiting: Sequence[Whose], mine: Mapping[Whose, _Out], now: float
    ) -> float | None:
        """When a place is given up at the latest; None when there is nothing to wait for."""
        with self._lock:
            self._note_slow(now)
            quick = [o for o in self._out.values() if o.kind == kind and o.whose not in self._slow]
            hoping = any(one not in mine and one not in self._slow for one in waiting)
            if not hoping and not any(out is mine.get(out.whose) for out in quick):
                return None
            return min((out.tardy_at for out in quick), default=now + self._patience_s)

    def _turnout(self, waiting: Sequence[Whose], mine: Mapping[Whose, _Out]) -> Turnout:
        with self._lock:
            for out in self._out.values():
                out.late = True
            unserved = [one for one in waiting if one not in mine and one not in self._slow]
            return Turnout(
                started=frozenset(mine),
                answered=frozenset(one for one, out in mine.items() if out.answered),
                crowded=bool(unserved) and not self._closed,
            )

    def _go(self, out: _Out, errand: Errand) -> None:
        answered = False
        try:
            answered = errand()
        except SciServerError as error:
            log.warning("errand in vain", kind=out.kind, owner=out.whose[1].username, error=str(error))
        except Exception:
            log.exception("errand failed", kind=out.kind, owner=out.whose[1].username)
        finally:
            self._come_back(out, answered)

    def _come_back(self, out: _Out, answered: bool) -> None:
        with self._lock:
            del self._out[out.kind, out.whose]
            out.answered = answered
            if out.is_slow(self._runner.now()):
                self._slow.add(out.whose)
            elif answered:
                self._slow.discard(out.whose)
        # One that came back in vain changed nothing: to turn again at once for it would be to spin.
        if out.late and answered:
            self._wake()
