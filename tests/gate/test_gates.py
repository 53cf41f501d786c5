"""The broker's way to gates: real ones, and such as their owners have replaced."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc import gates as adapter
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.gates import TlsGates
from sciserver_hpc.ports import Gates
from sciserver_hpc.session_ca import SessionCa, create

from .app import App, everything
from .peers import UUID, Running

STATUS: dict[str, Any] = {
    "uuid": UUID,
    "slurm_id": 1,
    "restarts": 0,
    "idle_s": 0.5,
    "cpu_s": None,
    "memory_bytes": None,
    "passes": {"17": 2},
    "bytes_in": 0,
    "bytes_out": 0,
}


@pytest.fixture
def gates(authority: Path) -> Gates:
    return TlsGates(authority)


def test_a_gate_answers_all_three(gate: Running, app: App, gates: Gates) -> None:
    address = f"127.0.0.1:{gate.port}"
    with gate.open_websocket(pass_id=17) as client:
        status = gates.status(address, UUID)
        assert (status.uuid, status.slurm_id, status.passes) == (UUID, 4711, {17: 1})
        assert gates.close(address, UUID, (17,)) == 1
        assert everything(client) == b""
    gates.stop(address, UUID, "idle")
    (gate.session / "saved").touch()
    assert gate.code() == 11
    with pytest.raises(Unavailable):
        gates.status(address, UUID)


def test_a_gate_that_does_not_understand_is_unavailable(gate: Running, app: App, gates: Gates) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        gates.stop(f"127.0.0.1:{gate.port}", UUID, "no such cause")


def test_the_gate_of_another_session_is_not_asked(gate: Running, app: App, gates: Gates) -> None:
    with pytest.raises(Unavailable, match="mismatch"):
        gates.status(f"127.0.0.1:{gate.port}", "f" * 32)


def test_a_broker_of_another_authority_gets_no_answer(gate: Running, app: App, tmp_path: Path) -> None:
    create(tmp_path / "other", datetime.now(UTC))
    with pytest.raises(Unavailable):
        TlsGates(tmp_path / "other").status(f"127.0.0.1:{gate.port}", UUID)


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999"])
def test_an_address_that_is_none(gates: Gates, address: str) -> None:
    with pytest.raises(Unavailable):
        gates.status(address, UUID)


class Impostor:
    """Has a session's own certificate, as its owner does, and says what the test wants."""

    def __init__(self, pem: Path) -> None:
        self.says: Callable[[ssl.SSLSocket], None] = lambda peer: None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                with plain, suppress(OSError), self._context.wrap_socket(plain, server_side=True) as peer:
                    peer.recv(65536)
                    self.says(peer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


@pytest.fixture
def impostor(ca: SessionCa, tmp_path: Path) -> Iterator[Impostor]:
    (tmp_path / "gate.pem").write_text(ca.issue(UUID, datetime.now(UTC)))
    found = Impostor(tmp_path / "gate.pem")
    yield found
    found.close()


def test_what_an_impostor_says_well_is_taken(impostor: Impostor, gates: Gates) -> None:
    """The owner of a session may say of it what they like."""
    impostor.says = lambda peer: peer.sendall(json.dumps(STATUS).encode() + b"\n")
    assert gates.status(impostor.address, UUID).passes == {17: 2}


@pytest.mark.parametrize(
    "change",
    [
        {"uuid": "f" * 32},
        {"uuid": None},
        {"idle_s": -1},
        {"idle_s": float("inf")},
        {"idle_s": float("nan")},
        {"cpu_s": "1e400"},
        {"memory_bytes": 1 << 70},
        {"passes": {"-1": 1}},
        {"passes": {"x": 1}},
        {"passes": [1]},
        {"bytes_in": 0.5},
        {"slurm_id": []},
        {"invented": 1},
    ],
)
def test_numbers_out_of_bounds_are_unavailable(
    impostor: Impostor, gates: Gates, change: dict[str, object]
) -> None:
    impostor.says = lambda peer: peer.sendall(json.dumps(STATUS | change).encode() + b"\n")
    with pytest.raises(Unavailable):
        gates.status(impostor.address, UUID)


@pytest.mark.parametrize(
    "junk", [b"", b"\n", b"null\n", b"[" * 60_000 + b"\n", b"\xff\n", b"{}", b"x" * 70_000]
)
def test_junk_is_unavailable(impostor: Impostor, gates: Gates, junk: bytes) -> None:
    impostor.says = lambda peer: peer.sendall(junk)
    with pytest.raises(Unavailable):
        gates.status(impostor.address, UUID)


def test_counts_of_closed_connections_are_bounded(impostor: Impostor, gates: Gates) -> None:
    impostor.says = lambda peer: peer.sendall(b'{"closed": -1}\n')
    with pytest.raises(Unavailable):
        gates.close(impostor.address, UUID, [1])


def endless(peer: ssl.SSLSocket) -> None:
    while True:
        peer.sendall(b"x" * 10_000)


def drop_by_drop(peer: ssl.SSLSocket) -> None:
    peer.settimeout(0.05)
    while True:
        peer.sendall(b" ")
        with suppress(TimeoutError):
            if not peer.recv(1):
                return


@pytest.mark.parametrize("says", [endless, drop_by_drop, everything])
def test_an_answer_without_end_is_given_up(
    impostor: Impostor, gates: Gates, monkeypatch: pytest.MonkeyPatch, says: Callable[[ssl.SSLSocket], None]
) -> None:
    monkeypatch.setattr(adapter, "LIMIT_S", 0.5)
    impostor.says = says
    with pytest.raises(Unavailable):
        gates.status(impostor.address, UUID)


def test_a_silent_port_is_given_up(gates: Gates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "LIMIT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable):
        gates.status(f"127.0.0.1:{silent.getsockname()[1]}", UUID)
