"""Questions in threads: asked once, taken once, and never waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sciserver_hpc.broker.question import OVERDUE_S, Question
from sciserver_hpc.broker.runner import Threads
from tests.broker.world import SLURM
from tests.fakes.clock import FakeClock
from tests.fakes.strands import Gate, Strands

LONG_S = 60.0
FAILED = "failed"


class Reply:
    """An answer that is there when it is told to be."""

    def __init__(self) -> None:
        self.told = threading.Event()

    def __call__(self) -> str:
        assert self.told.wait(LONG_S)
        return "answer"


@pytest.fixture
def woken() -> threading.Semaphore:
    return threading.Semaphore(0)


@pytest.fixture
def reply() -> Iterator[Reply]:
    reply = Reply()
    yield reply
    reply.told.set()


def test_an_answer_is_taken_once_and_wakes_who_looked_for_it_in_vain(
    woken: threading.Semaphore, reply: Reply
) -> None:
    question: Question[str] = Question(Threads(), woken.release)
    question.ask(reply, FAILED)
    assert question.take() is None
    assert question.open
    reply.told.set()
    assert woken.acquire(timeout=LONG_S)
    assert question.take() == "answer"
    assert question.take() is None
    assert not question.open


def test_one_that_is_back_before_anybody_looks_wakes_nobody(woken: threading.Semaphore) -> None:
    question: Question[str] = Question(Strands(FakeClock()), woken.release)
    question.ask(lambda: "answer", FAILED)
    assert question.take() == "answer"
    assert not woken.acquire(blocking=False)


def test_one_that_breaks_is_answered_as_failed(woken: threading.Semaphore) -> None:
    def breaks() -> str:
        raise ZeroDivisionError

    question: Question[str] = Question(Strands(FakeClock()), woken.release)
    question.ask(breaks, FAILED)
    assert question.take() == FAILED


def test_one_that_is_never_answered_is_given_up_and_its_late_answer_not_taken_for_the_next(
    woken: threading.Semaphore,
) -> None:
    clock = FakeClock()
    strands = Strands(clock)
    gate = Gate(strands)
    question: Question[str] = Question(strands, woken.release)

    def hangs(answer: str) -> str:
        gate.stand("anywhere", SLURM)
        return answer

    gate.shut("anywhere", SLURM.uid)
    question.ask(lambda: hangs("first"), FAILED)
    clock.advance(OVERDUE_S - 1)
    assert question.take() is None
    clock.advance(1)
    assert question.take() == FAILED
    question.ask(lambda: hangs("second"), FAILED)
    strands.resume(strands.standing[0])
    assert question.take() is None
    strands.resume_all()
    assert question.take() == "second"


class NoThreads(Strands):
    """A machine that gives no more."""

    def start(self, errand: object) -> None:
        raise RuntimeError(errand)


def test_where_no_thread_is_to_be_had_it_can_be_asked_again(woken: threading.Semaphore) -> None:
    question: Question[str] = Question(NoThreads(FakeClock()), woken.release)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            question.ask(lambda: "answer", FAILED)
        assert not question.open
