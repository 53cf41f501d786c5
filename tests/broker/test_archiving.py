"""The broker archives batch by batch, without a turn waiting for it."""

from __future__ import annotations

from sciserver_hpc.broker.archiving import Archivist
from sciserver_hpc.broker.errands import Errands
from sciserver_hpc.domain.errors import Unavailable
from tests.fakes.clock import FakeClock
from tests.fakes.strands import Strands


class Batches:
    """So many are left; the folder may be away."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.away = False

    def due(self) -> bool:
        return self.left > 0

    def step(self) -> bool:
        if self.away:
            raise Unavailable("archive", "gone")
        self.left -= 1
        return self.left > 0


def test_one_batch_a_turn_and_the_loop_is_woken_for_the_next() -> None:
    batches, woken = Batches(3), list[bool]()
    errands = Errands(1.0, lambda: woken.append(True), Strands(FakeClock()))
    archivist = Archivist(batches, errands)
    for left in (2, 1, 0):
        archivist.start()
        assert batches.left == left
    archivist.start()
    assert batches.left == 0 and len(woken) == 2


def test_an_archive_that_is_away_is_told_and_nobody_minds() -> None:
    batches = Batches(1)
    batches.away = True
    archivist = Archivist(batches, Errands(1.0, lambda: None, Strands(FakeClock())))
    archivist.start()
    assert batches.left == 1
