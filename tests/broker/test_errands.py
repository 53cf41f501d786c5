"""Errands in real threads: what is waited for, for how long, and who may go."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sciserver_hpc.broker import errands as module
from sciserver_hpc.broker.errands import QUICK, SLOW, Errands, Whose
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.scheduling import Owner
from tests.fakes.clock import FakeClock
from tests.fakes.strands import Gate, Strands

LONG_S = 60.0
SHORT_S = 0.01


def person(number: int) -> Whose:
    return "default", Owner(username=f"user{number}", uid=3000 + number, gid=3000)


class Work:
    """An errand that is back when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.told = threading.Event()

    def __call__(self) -> bool:
        self.begun.set()
        return self.told.wait(LONG_S)


@pytest.fixture
def woken() -> threading.Semaphore:
    return threading.Semaphore(0)


@pytest.fixture
def hanging() -> Iterator[Work]:
    work = Work()
    yield work
    work.told.set()


def fails() -> bool:
    raise Unavailable("agent", "does not start")


def breaks() -> bool:
    raise ZeroDivisionError


def test_a_turn_waits_for_all_that_are_prompt(woken: threading.Semaphore) -> None:
    errands = Errands(LONG_S, woken.release)
    everybody = [person(number) for number in range(5 * QUICK)]
    turnout = errands.run("submit", dict.fromkeys(everybody, lambda: True))
    assert turnout.started == turnout.answered == set(everybody)
    assert not turnout.crowded
    assert not woken.acquire(blocking=False)


def test_what_is_not_back_in_time_goes_on_and_wakes_when_it_is(
    woken: threading.Semaphore, hanging: Work
) -> None:
    errands = Errands(SHORT_S, woken.release)
    turnout = errands.run("submit", {person(1): hanging})
    assert (turnout.started, turnout.answered) == ({person(1)}, frozenset())
    assert errands.run("submit", {person(1): hanging}).started == frozenset(), "one at a time"
    hanging.told.set()
    assert woken.acquire(timeout=LONG_S)
    assert errands.run("submit", {person(1): hanging}).started == {person(1)}


def test_one_that_hangs_keeps_no_other_from_going_or_coming_back(
    woken: threading.Semaphore, hanging: Work
) -> None:
    errands, other = Errands(SHORT_S, woken.release), Work()
    other.told.set()
    errands.run("submit", {person(1): hanging})
    errands.run("submit", {person(2): other})
    errands.run("cancel", {person(1): other})
    assert other.begun.wait(LONG_S)
    assert not hanging.told.is_set()


@pytest.mark.parametrize("bad", [fails, breaks])
def test_a_failing_errand_is_over_and_harms_no_other(woken: threading.Semaphore, bad: module.Errand) -> None:
    errands = Errands(LONG_S, woken.release)
    for _ in range(2):
        turnout = errands.run("submit", {person(1): bad, person(2): lambda: True})
        assert turnout.started == {person(1), person(2)}
        assert turnout.answered == {person(2)}


def test_the_end_does_not_wait_for_ever(
    woken: threading.Semaphore, hanging: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAST_WORDS_S", SHORT_S)
    errands = Errands(SHORT_S, woken.release)
    errands.run("submit", {person(1): hanging})
    errands.close()
    assert errands.run("submit", {person(2): lambda: True}).started == frozenset()
    hanging.told.set()
    assert woken.acquire(timeout=LONG_S), "what comes back while the process lives is not lost"


def test_the_end_waits_for_what_is_nearly_back(woken: threading.Semaphore, hanging: Work) -> None:
    errands, done = Errands(SHORT_S, woken.release), threading.Event()

    def errand() -> bool:
        answered = hanging()
        done.set()
        return answered

    errands.run("submit", {person(1): errand})
    ending = threading.Thread(target=errands.close)
    ending.start()
    hanging.told.set()
    ending.join(LONG_S)
    assert done.is_set()


class Held:
    """Errands as strands: nobody waits, and the test says who comes back."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.strands = Strands(self.clock)
        self.gate = Gate(self.strands)
        self.errands = Errands(1.0, self._woken, self.strands)
        self.wakes = 0
        self.order: list[int] = []

    def _woken(self) -> None:
        self.wakes += 1

    def run(self, *numbers: int, kind: str = "submit") -> set[int]:
        """A turn with an errand each; return whose began."""
        people = [person(number) for number in numbers]
        started = self.errands.run(kind, {one: self._errand(kind, one) for one in people}).started
        return {owner.uid - 3000 for _, owner in started}

    def _errand(self, kind: str, one: Whose) -> module.Errand:
        def errand() -> bool:
            self.order.append(one[1].uid - 3000)
            self.gate.stand(kind, one[1])
            return True

        return errand

    def hang(self, *numbers: int, kind: str = "submit") -> None:
        for number in numbers:
            self.gate.shut(kind, 3000 + number)


def test_places_of_one_kind_are_no_other_kinds() -> None:
    held, many = Held(), range(3 * QUICK)
    held.hang(*many)
    held.run(*many)
    waited = held.strands.waited
    assert held.run(100, 101, kind="cancel") == {100, 101}
    assert held.strands.waited == waited


def test_the_slow_share_their_own_places() -> None:
    held, many = Held(), range(3 * SLOW)
    held.hang(*many)
    begun: set[int] = set()
    while len(begun) < len(many):
        begun |= held.run(*many)
    held.clock.advance(1)
    held.strands.resume_all()
    assert len(held.run(*many, 100)) == SLOW + 1
    assert held.run(*many, 100) == {100}


def test_the_slow_take_turns() -> None:
    held, many = Held(), range(3 * SLOW)
    held.hang(*many)
    begun: set[int] = set()
    while len(begun) < len(many):
        begun |= held.run(*many)
    begun = set()
    for _ in range(3):
        held.clock.advance(1)
        held.strands.resume_all()
        begun |= held.run(*many)
    assert begun == set(many)


def test_the_least_recently_served_goes_first() -> None:
    held = Held()
    held.clock.advance(1)
    held.run(1, 2)
    held.clock.advance(1)
    held.run(1)
    held.clock.advance(1)
    held.order.clear()
    held.run(1, 2, 3)
    assert held.order == [3, 2, 1]


def test_an_errand_may_go_on_while_it_is_in_time() -> None:
    held, may = Held(), []
    held.hang(1)

    def errand() -> bool:
        may.append(held.errands.in_time("submit", person(1)))
        held.gate.stand("submit", person(1)[1])
        may.append(held.errands.in_time("submit", person(1)))
        return True

    held.errands.run("submit", {person(1): errand})
    held.strands.resume_all()
    assert may == [True, False]


def test_the_end_stops_an_errand_that_is_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.0)
    held, may = Held(), []

    def errand() -> bool:
        held.errands.close()
        may.append(held.errands.in_time("submit", person(1)))
        return True

    held.errands.run("submit", {person(1): errand})
    assert may == [False]


def test_what_comes_back_late_and_in_vain_wakes_nobody() -> None:
    """It brings no news; and to offer the same again at once would be to spin."""
    held = Held()
    held.hang(1, 2)

    def in_vain() -> bool:
        held.gate.stand("submit", person(1)[1])
        return False

    held.errands.run("submit", {person(1): in_vain})
    held.strands.resume_all()
    assert held.wakes == 0
    held.run(2)
    held.strands.resume_all()
    assert held.wakes == 1
