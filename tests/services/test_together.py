"""Requests that come at once are accepted together, each with its own outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from sciserver_hpc.domain.errors import Refused, Unavailable
from sciserver_hpc.domain.people import Person
from sciserver_hpc.services.accepting import Outcome
from sciserver_hpc.services.together import MOST, Asked, Together
from tests.fakes.jobs import make_job

from .world import ALICE, BOB, shell

LATE_S = 30
"""When a test that hangs fails."""


class Held:
    """Accepts, but only when let: what came in one call, in order of calls."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.entered = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.fails: Callable[[], None] = lambda: None

    def accept(self, person: Person, asked: Sequence[Asked]) -> list[Outcome]:
        self.calls.append([str(request.command) for request, _ in asked])
        self.entered.release()
        assert self.let.acquire(timeout=LATE_S)
        self.fails()
        return [self._outcome(person, str(request.command)) for request, _ in asked]

    @staticmethod
    def _outcome(person: Person, command: str) -> Outcome:
        if command == "refused":
            return Refused({"image": "not yours"})
        return make_job(int(command), owner=person.username), True


class Crowd:
    """Threads that ask, and wait in the order in which they asked."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.together = Together(held.accept)
        self.pool = ThreadPoolExecutor(2 * MOST)

    def ask(self, person: Person, command: str) -> Future[int]:
        return self.pool.submit(lambda: self.together.accept(person, (shell(command=command), None))[0].id)

    def enters(self) -> None:
        assert self.held.entered.acquire(timeout=LATE_S)

    def wait(self, person: Person, commands: Sequence[str]) -> list[Future[int]]:
        """Ask while an earlier request of the person is being accepted; back when all of them wait."""
        futures = [self.ask(person, command) for command in commands]
        while self.together.waiting(person) < len(commands):
            threading.Event().wait(0.001)
        return futures


@pytest.fixture
def crowd() -> Crowd:
    return Crowd(Held())


def test_who_comes_alone_is_accepted_alone(crowd: Crowd) -> None:
    crowd.held.let.release(2)
    assert [crowd.ask(ALICE, "7").result(LATE_S), crowd.ask(ALICE, "8").result(LATE_S)] == [7, 8]
    assert crowd.held.calls == [["7"], ["8"]]


def test_who_comes_meanwhile_is_accepted_in_one_call_and_hears_of_the_own_job(crowd: Crowd) -> None:
    first = crowd.ask(ALICE, "1")
    crowd.enters()
    others = crowd.wait(ALICE, ["2", "3", "4"])
    crowd.held.let.release(2)
    assert [one.result(LATE_S) for one in (first, *others)] == [1, 2, 3, 4]
    assert [sorted(call) for call in crowd.held.calls] == [["1"], ["2", "3", "4"]]


def test_no_call_takes_more_than_the_most(crowd: Crowd) -> None:
    first = crowd.ask(ALICE, "1")
    crowd.enters()
    others = crowd.wait(ALICE, [str(number) for number in range(2, MOST + 5)])
    crowd.held.let.release(3)
    assert [one.result(LATE_S) for one in (first, *others)] == list(range(1, MOST + 5))
    assert [len(call) for call in crowd.held.calls] == [1, MOST, 3]


def test_nobody_waits_for_another_person(crowd: Crowd) -> None:
    hers = crowd.ask(ALICE, "1")
    crowd.enters()
    his = crowd.ask(BOB, "2")
    crowd.enters()
    crowd.held.let.release(2)
    assert (hers.result(LATE_S), his.result(LATE_S)) == (1, 2)


def test_people_whose_groups_changed_are_judged_by_the_new_ones(crowd: Crowd) -> None:
    before = crowd.ask(ALICE, "1")
    crowd.enters()
    after = crowd.ask(ALICE.model_copy(update={"groups": frozenset()}), "2")
    crowd.enters()
    crowd.held.let.release(2)
    assert (before.result(LATE_S), after.result(LATE_S)) == (1, 2)


def test_a_refusal_is_told_to_the_one_who_asked(crowd: Crowd) -> None:
    first = crowd.ask(ALICE, "1")
    crowd.enters()
    refused, fine = crowd.wait(ALICE, ["refused", "3"])
    crowd.held.let.release(2)
    assert (first.result(LATE_S), fine.result(LATE_S)) == (1, 3)
    with pytest.raises(Refused, match="not yours"):
        refused.result(LATE_S)


def test_what_fails_for_all_is_told_to_all_and_the_next_is_served(crowd: Crowd) -> None:
    first = crowd.ask(ALICE, "1")
    crowd.enters()
    others = crowd.wait(ALICE, ["2", "3"])

    def away() -> None:
        raise Unavailable("database", "away")

    crowd.held.let.release()
    assert first.result(LATE_S) == 1
    crowd.enters()
    crowd.held.fails = away
    crowd.held.let.release()
    for one in others:
        with pytest.raises(Unavailable, match="away"):
            one.result(LATE_S)
    crowd.held.fails = lambda: None
    crowd.held.let.release()
    assert crowd.ask(ALICE, "4").result(LATE_S) == 4
