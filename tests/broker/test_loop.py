"""The loop around the broker: leads, stands by, is woken, and survives what is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sciserver_hpc.broker.loop import LEASE, Loop, WakeSocket
from sciserver_hpc.broker.tick import TickReport
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.waking import SOCKET_NAME, DatagramWaker
from tests.broker.world import World

LONG_S = 60.0


class Turns:
    """A broker whose turns a test counts and scripts."""

    def __init__(self, *failures: Exception) -> None:
        self.count = 0
        self.failures = list(failures)
        self.turned = threading.Semaphore(0)
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1

    def tick(self) -> TickReport:
        self.count += 1
        self.turned.release()
        if self.failures:
            raise self.failures.pop(0)
        return TickReport(active=0, submitted=0, more=False, observed=True, took_s=0.0, pause_s=LONG_S)


@contextmanager
def turning(world: World, turns: Turns, folder: Path, interval_s: float = LONG_S) -> Iterator[DatagramWaker]:
    """A loop in a thread; yields what wakes it."""
    stop, waker = threading.Event(), DatagramWaker(folder)
    wake = WakeSocket(folder / SOCKET_NAME)
    loop = Loop(turns, world.store, world.clock, wake, interval_s)  # type: ignore[arg-type]
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        yield waker
    finally:
        stop.set()
        waker.wake()
        thread.join(30)
        wake.close()
        assert not thread.is_alive()


def test_it_turns_at_once_and_again_when_woken(world: World, tmp_path: Path) -> None:
    turns = Turns()
    with turning(world, turns, tmp_path) as waker:
        assert turns.turned.acquire(timeout=30)
        assert until_turned(turns, waker.wake)
    assert turns.begun == 1


def until_turned(turns: Turns, nudge: Callable[[], None]) -> bool:
    """Nudge until a turn came of it: the first nudge may come before the socket is waited on."""
    return any(nudge() or turns.turned.acquire(timeout=1) for _ in range(30))


@pytest.mark.parametrize("failure", [Unavailable("database", "locked"), RuntimeError("a defect")])
def test_a_failing_turn_does_not_end_it(world: World, tmp_path: Path, failure: Exception) -> None:
    turns = Turns(failure)
    with turning(world, turns, tmp_path) as waker:
        assert turns.turned.acquire(timeout=30)
        assert until_turned(turns, waker.wake)


def test_it_tells_what_it_did(world: World, tmp_path: Path) -> None:
    turns = Turns()
    with turning(world, turns, tmp_path):
        assert turns.turned.acquire(timeout=30)
    assert world.store.notes()["broker"]["active"] == 0


def test_while_another_leads_it_stands_by_and_leaves_the_leaders_socket_alone(
    world: World, tmp_path: Path
) -> None:
    assert world.store.lead("elsewhere:1", world.now, LEASE)
    leader = WakeSocket(tmp_path / SOCKET_NAME)
    leader.open()
    turns = Turns()
    with turning(world, turns, tmp_path, interval_s=0.01):
        assert not turns.turned.acquire(timeout=0.3)
        assert turns.begun == 0
        assert (tmp_path / SOCKET_NAME).exists()
        world.clock.advance(LEASE.total_seconds() + 1)
        assert turns.turned.acquire(timeout=30)
        assert turns.begun == 1
    leader.close()


def test_at_its_end_it_gives_the_lease_up(world: World, tmp_path: Path) -> None:
    turns = Turns()
    with turning(world, turns, tmp_path):
        assert turns.turned.acquire(timeout=30)
    assert world.store.lead("next:1", world.now, LEASE)


def test_one_that_led_before_leaves_its_successors_socket(tmp_path: Path) -> None:
    path = tmp_path / SOCKET_NAME
    former, successor = WakeSocket(path), WakeSocket(path)
    former.open()
    successor.open()
    former.close()
    assert path.exists()
    successor.close()
    assert not path.exists()
