"""What the broker asks."""

from __future__ import annotations

import time

import pytest

from .app import App, everything
from .conftest import MakeGate
from .peers import UUID, Running, head, start_app, until


def test_status_tells_who_and_how_much(gate: Running, app: App) -> None:
    with (
        gate.open_websocket(pass_id=17) as one,
        gate.open_websocket(pass_id=17),
        gate.open_websocket(pass_id=5),
    ):
        one.sendall(b"x" * 1000)
        left = 1000
        while left:
            left -= len(one.recv(left))
        status = gate.ask({"do": "status"})
    assert (status["uuid"], status["slurm_id"], status["restarts"]) == (UUID, 4711, 2)
    assert status["passes"] == {"17": 2, "5": 1}
    assert status["bytes_in"] > 1000
    assert status["bytes_out"] > 1000
    assert 0 <= status["idle_s"] < 20
    assert status["cpu_s"] >= 0
    assert status["memory_bytes"] > 1 << 20
    until(lambda: gate.ask({"do": "status"})["passes"] == {})
    later = gate.ask({"do": "status"})
    assert later["bytes_in"] >= status["bytes_in"]


def test_closing_a_pass_ends_its_open_websockets_alone(gate: Running, app: App) -> None:
    with gate.open_websocket(pass_id=17) as gone, gate.open_websocket(pass_id=18) as stays:
        assert gate.ask({"do": "close", "passes": [17, 99]}) == {"closed": 1}
        assert everything(gone) == b""
        stays.sendall(b"here")
        assert stays.recv(10) == b"here"
        assert gate.ask({"do": "status"})["passes"] == {"18": 1}


def test_a_closed_pass_opens_nothing_any_more(gate: Running, app: App) -> None:
    """Nginx may have asked the portal just before the pass died."""
    assert gate.ask({"do": "close", "passes": [17]}) == {"closed": 0}
    assert gate.get(pass_id=17).startswith(b"HTTP/1.1 403 ")
    assert gate.get(pass_id=18).startswith(b"HTTP/1.1 200 ")
    assert len(app.requests) == 1


def test_closing_ends_a_transfer_that_stands_still(gate: Running, app: App) -> None:
    """Neither side reads: nothing wakes the relay but its sockets being shut."""
    app.handlers["/stuck"] = lambda peer, _: peer.sendall(b"x" * (64 << 20))
    with gate.connect() as client:
        client.sendall(head("/stuck"))
        until(lambda: gate.ask({"do": "status"})["bytes_out"] > 0)
        assert gate.ask({"do": "close", "passes": [17]}) == {"closed": 1}
        until(lambda: gate.ask({"do": "status"})["passes"] == {})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"[" * 10_000,
        b"null",
        b"[]",
        b'{"do": "fly"}',
        b'{"do": "close"}',
        b'{"do": "close", "passes": [true]}',
        b'{"do": "close", "passes": ["17"]}',
        b'{"do": "close", "passes": [[]]}',
        b'{"do": "stop"}',
        b'{"do": "stop", "cause": "gone"}',
        b'{"do": "stop", "cause": []}',
        b"\xff\xfe",
    ],
)
def test_what_cannot_be_read_is_answered(gate: Running, app: App, line: bytes) -> None:
    assert gate.ask(line) == {"error": "this cannot be read"}
    assert gate.get().startswith(b"HTTP/1.1 200 ")


def test_the_proxy_is_not_obeyed(gate: Running, app: App) -> None:
    with gate.connect() as client:
        client.sendall(b'{"do": "stop", "cause": "stopped"}\r\n\r\n')
        assert everything(client).startswith(b"HTTP/1.1 400 ")


def test_a_line_without_end_gets_no_answer(gate: Running, app: App) -> None:
    with gate.connect("broker") as client:
        client.sendall(b" " * 70_000)
        assert everything(client) == b""


def test_traffic_counts_as_use_only_where_that_is_set(make_gate: MakeGate) -> None:
    gate = make_gate(idle={"http": None, "traffic": False, "file": False, "cpu_percent": None})
    app = start_app(gate)
    gate.start()
    gate.ready()
    until(lambda: gate.ask({"do": "status"})["idle_s"] >= 0.3)
    before = gate.ask({"do": "status"})["idle_s"]
    gate.get()
    assert gate.ask({"do": "status"})["idle_s"] >= before
    app.close()


def test_traffic_ends_idleness(gate: Running, app: App) -> None:
    until(lambda: gate.ask({"do": "status"})["idle_s"] >= 1)
    begun = time.monotonic()
    gate.get()
    assert gate.ask({"do": "status"})["idle_s"] < time.monotonic() - begun + 0.5  # else it were a second more
