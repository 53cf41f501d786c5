"""Errands as strands: threads of which one runs at a time, so that a test decides when an agent answers.

strands = Strands(clock); gate = Gate(strands)
gate.shut("submit", 2001)         # what calls gate.stand("submit", owner of uid 2001) hangs there
broker.tick()                     # goes on without it; its waiting takes no time
strands.standing                  # those that hang, oldest first
strands.resume(strands.standing[0])   # it goes on until it is over, or hangs again
strands.kill()                    # all of them die where they stand, as by kill -9
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sciserver_hpc.domain.scheduling import Owner, Submission
from tests.fakes.clock import FakeClock


class Crash(BaseException):
    """kill -9: nothing may catch it."""


class Doubled(BaseException):
    """A job was handed over while it was under way: nothing may catch this either."""


class Strand:
    """One errand. `at`: where it stands; `jobs`: what it hands over there, as `owner`."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.at = ""
        self.owner: Owner | None = None
        self.jobs: Sequence[Submission] = ()
        self.over = False
        self.killed = False
        self.crash: BaseException | None = None
        self._work = work
        self._go = threading.Semaphore(0)
        self._rests = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Run until it stands or is over."""
        self._thread.start()
        self._rests.acquire()

    def go_on(self) -> None:
        """The same, from where it stands."""
        self._go.release()
        self._rests.acquire()

    def stand(self, at: str, owner: Owner, jobs: Sequence[Submission]) -> None:
        """Called by the work itself: let the others go on, until told to."""
        self.at, self.owner, self.jobs = at, owner, jobs
        self._rests.release()
        self._go.acquire()
        if self.killed:
            raise Crash

    def _run(self) -> None:
        _current.strand = self
        try:
            self._work()
        except BaseException as crash:
            self.crash = crash
        self.over = True
        self._rests.release()


_current = threading.local()


class Strands:
    """A `broker.runner.Runner` whose waiting takes none of the world's time, but its own."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._start = clock.now()
        self._back = False
        self.waited = 0.0
        """Seconds turns have waited in vain."""
        self.standing: list[Strand] = []

    def now(self) -> float:
        return (self._clock.now() - self._start).total_seconds() + self.waited

    def start(self, errand: Callable[[], None]) -> None:
        self._follow(Strand(errand), Strand.begin)

    def side_by_side(self, parts: Sequence[Callable[[], None]]) -> None:
        for part in parts:
            part()

    def wait(self, seconds: float) -> None:
        if not self._back:
            self.waited += seconds
        self._back = False

    def resume(self, strand: Strand) -> None:
        """Let it go on. Raises Crash when the broker dies by it."""
        self.standing.remove(strand)
        self._follow(strand, Strand.go_on)

    def resume_all(self) -> None:
        """Let all go on that stand now, oldest first."""
        for strand in list(self.standing):
            self.resume(strand)

    def kill(self) -> None:
        """End all of them where they stand."""
        for strand in self.standing:
            strand.killed = True
            strand.go_on()
        self.standing.clear()

    def _follow(self, strand: Strand, go: Callable[[Strand], None]) -> None:
        go(strand)
        if strand.crash is not None:
            raise strand.crash
        if strand.over:
            self._back = True
        else:
            self.standing.append(strand)


class Gate:
    """Where agents hang, shut for some people's calls. Raises Doubled where a job passes twice at once."""

    def __init__(self, strands: Strands) -> None:
        self._strands = strands
        self._shut: set[tuple[str, int]] = set()
        self.under_way: set[str] = set()

    def shut(self, place: str, uid: int) -> None:
        """From now on this person's agent hangs at `place`."""
        self._shut.add((place, uid))

    def open(self, place: str, uid: int) -> None:
        """New calls pass; what stands there goes on standing."""
        self._shut.discard((place, uid))

    def open_all(self) -> None:
        self._shut.clear()

    def stand(self, place: str, owner: Owner, jobs: Sequence[Submission] = ()) -> None:
        """Called by the fake agents."""
        if (place, owner.uid) in self._shut:
            _current.strand.stand(place, owner, jobs)

    @contextmanager
    def handing_over(self, jobs: Sequence[Submission]) -> Iterator[None]:
        """Around each submission."""
        uuids = {job.uuid for job in jobs}
        if self.under_way & uuids:
            raise Doubled(uuids)
        self.under_way |= uuids
        try:
            yield
        finally:
            self.under_way -= uuids
