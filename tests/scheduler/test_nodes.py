"""Where nodes are: one question for all, not too often, and none that keeps others waiting."""

from __future__ import annotations

import pytest

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.scheduler.nodes import NodeAddresses, parse
from tests.fakes.clock import FakeClock


class Sinfo:
    """Answers `text`; down: not at all."""

    def __init__(self) -> None:
        self.text = "n1 127.0.0.1\nn2 ::1\nn1 127.0.0.1\n"
        self.down = False
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.down:
            raise Unavailable("slurm", "timed out")
        return self.text


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sinfo() -> Sinfo:
    return Sinfo()


@pytest.fixture
def nodes(sinfo: Sinfo, clock: FakeClock) -> NodeAddresses:
    return NodeAddresses(sinfo, clock.now)


def test_lines_of_another_form_are_left_out() -> None:
    assert parse("n1 10.0.0.1\n\nn2\nn3 a b\n n4  host \n") == {"n1": "10.0.0.1", "n4": "host"}


def test_all_nodes_are_known_by_one_question(nodes: NodeAddresses, sinfo: Sinfo) -> None:
    assert [nodes.of(name) for name in ("n1", "n2", "n1")] == ["127.0.0.1", "::1", "127.0.0.1"]
    assert sinfo.calls == 1


def test_an_answer_grows_old_whichever_way_the_clock_goes(
    nodes: NodeAddresses, sinfo: Sinfo, clock: FakeClock
) -> None:
    for seconds, calls in ((0, 1), (599, 1), (1, 2), (-600, 3)):
        clock.advance(seconds)
        nodes.of("n1")
        assert sinfo.calls == calls


def test_a_name_that_is_no_nodes_costs_a_question_now_and_then(
    nodes: NodeAddresses, sinfo: Sinfo, clock: FakeClock
) -> None:
    for _ in range(10):
        assert nodes.of("n9") is nodes.of("") is None
    assert sinfo.calls == 1
    clock.advance(30)
    sinfo.text += "n9 127.0.0.9\n"
    assert nodes.of("n9") == "127.0.0.9"


def test_while_slurm_is_away_what_it_said_holds(nodes: NodeAddresses, sinfo: Sinfo, clock: FakeClock) -> None:
    nodes.of("n1")
    sinfo.down = True
    clock.advance(600)
    for _ in range(5):
        assert nodes.of("n1") == "127.0.0.1"
        with pytest.raises(Unavailable, match="timed out"):
            nodes.of("n9")
    assert sinfo.calls == 2, "who asks next does not wait for it again"
    clock.advance(30)
    sinfo.down = False
    assert nodes.of("n9") is None and sinfo.calls == 3


def test_a_name_that_leads_nowhere_is_unavailable(nodes: NodeAddresses, sinfo: Sinfo) -> None:
    sinfo.text = "n1 no.such.host.invalid\n"
    with pytest.raises(Unavailable, match="leads nowhere"):
        nodes.of("n1")
