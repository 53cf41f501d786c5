"""Real threads, as the broker uses them."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from sciserver_hpc.broker.runner import Threads

LATE_S = 60
"""When a test that hangs fails."""

_HANGING = """
import threading
from sciserver_hpc.broker.runner import Threads

threads, inside, never = Threads(), threading.Semaphore(0), threading.Event()

def hang():
    inside.release()
    never.wait(600)

threads.start(lambda: threads.side_by_side([hang, hang]))
inside.acquire()
inside.acquire()
"""


def test_parts_that_hang_do_not_hold_up_the_end_of_the_process() -> None:
    subprocess.run([sys.executable, "-c", _HANGING], timeout=LATE_S, check=True)


def test_parts_run_at_once_and_all_are_over_before_one_that_failed_is_told() -> None:
    both, over = threading.Barrier(2), threading.Semaphore(0)

    def fails() -> None:
        both.wait(LATE_S)
        raise ZeroDivisionError

    def works() -> None:
        both.wait(LATE_S)
        over.release()

    for parts in ([fails, works], [works, fails]):
        with pytest.raises(ZeroDivisionError):
            Threads().side_by_side(parts)
        assert over.acquire(blocking=False)


def test_one_part_that_gets_no_thread_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine gives one more thread, and then no other."""
    begin, given, over = threading.Thread.start, iter([True]), threading.Event()

    def start(thread: threading.Thread) -> None:
        if not next(given, False):
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError):
        Threads().side_by_side([over.clear, over.set, over.clear])
    assert over.is_set()
