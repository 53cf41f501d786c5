"""What the broker may rely on, of real gates and of those that stand for them in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.gates import TlsGates
from sciserver_hpc.ports import Gates
from tests.fakes.gates import FakeGates

from .app import everything
from .conftest import MakeGate
from .peers import UUID, start_app

Connect = Callable[[int], AbstractContextManager[None]]


@dataclass
class Session:
    """One with a gate. connect: open a WebSocket by this pass; the other side ends it, or the test does."""

    gates: Gates
    address: str
    connect: Connect


def fake() -> Session:
    gates = FakeGates()
    one = gates.listen("10.0.0.1:40001", UUID, slurm_id=4711, restarts=2)

    @contextmanager
    def connect(number: int) -> Iterator[None]:
        if number in one.barred:
            raise ConnectionError
        one.open[number] = one.open.get(number, 0) + 1
        yield

    return Session(gates, "10.0.0.1:40001", connect)


@pytest.fixture(params=["fake", "real"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    if request.param == "fake":
        yield fake()
        return
    make: MakeGate = request.getfixturevalue("make_gate")
    authority: Path = request.getfixturevalue("authority")
    running = make(save_s=0)
    app = start_app(running)
    running.start()
    running.ready()

    @contextmanager
    def connect(number: int) -> Iterator[None]:
        if running.get(pass_id=number).startswith(b"HTTP/1.1 403 "):
            raise ConnectionError
        with running.open_websocket(pass_id=number) as client:
            yield
            assert everything(client) == b""

    yield Session(TlsGates(authority), f"127.0.0.1:{running.port}", connect)
    app.close()


def test_a_status_tells_whose_it_is_and_who_is_in(session: Session) -> None:
    with session.connect(17):
        status = session.gates.status(session.address, UUID)
        assert (status.uuid, status.slurm_id, status.restarts) == (UUID, 4711, 2)
        assert status.passes == {17: 1}
        assert session.gates.close(session.address, UUID, [17, 99]) == 1
    assert session.gates.status(session.address, UUID).passes == {}
    assert session.gates.close(session.address, UUID, [17]) == 0


def test_a_closed_pass_lets_nobody_in_any_more(session: Session) -> None:
    session.gates.close(session.address, UUID, [17])
    with pytest.raises(ConnectionError), session.connect(17):
        pass


def test_what_is_another_sessions_or_nobodys_is_unavailable(session: Session) -> None:
    for address, uuid in ((session.address, "f" * 32), ("127.0.0.1:1", UUID)):
        with pytest.raises(Unavailable):
            session.gates.status(address, uuid)
        with pytest.raises(Unavailable):
            session.gates.close(address, uuid, [17])
        with pytest.raises(Unavailable):
            session.gates.stop(address, uuid, "idle")


def test_a_stop_has_a_cause_it_knows(session: Session) -> None:
    with pytest.raises(Unavailable):
        session.gates.stop(session.address, UUID, "no such cause")
    session.gates.stop(session.address, UUID, "idle")
