"""Answers of an agent that its user has replaced: nothing it says harms the portal, or counts for more than
it is."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.agent import protocol
from sciserver_hpc.agents import AgentOptions, SelfTransport, SocketAgents
from sciserver_hpc.domain.errors import AgentError, SciServerError, Unavailable
from sciserver_hpc.domain.scheduling import Owner, Verdict
from sciserver_hpc.ports import Agent

from .conftest import make_job

Says = Callable[[dict[str, Any]], bytes]


class Impostor:
    """Greets as it should; what it answers then is up to the test."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        self.says: Says = lambda request: protocol.encode({"ok": None})
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                self._attend(peer)

    def _attend(self, peer: socket.socket) -> None:
        while frame := protocol.receive(peer):
            if frame[0]["verb"] == "hello":
                hello = {"uid": os.getuid(), "username": "me", "pid": 1}
                peer.sendall(protocol.encode({"ok": hello}))
            else:
                peer.sendall(self.says(frame[0]))
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


@pytest.fixture
def impostor(place: Path, me: Owner) -> Iterator[Impostor]:
    found = Impostor(place / "run" / "agents" / f"{me.uid}.sock")
    yield found
    found.close()


@pytest.fixture
def agent(impostor: Impostor, place: Path, options: AgentOptions, me: Owner) -> Iterator[Agent]:
    agents = SocketAgents(place / "run", SelfTransport(), options)
    yield agents.of(me)
    agents.close()


def answering(value: object, body: bytes = b"") -> Says:
    return lambda request: protocol.encode({"ok": value}, body)


def lying(**outcome: object) -> Says:
    """About every job submitted, the same."""
    return lambda request: protocol.encode(
        {"ok": [{"uuid": job["uuid"], "verdict": "accepted"} | outcome for job in request["jobs"]]}
    )


@pytest.mark.parametrize(
    "says",
    [
        lying(slurm_id=None),
        lying(slurm_id=0),
        lying(slurm_id=5, uuid="f" * 32),
        lying(slurm_id="five"),
        lying(verdict="splendid"),
        answering([]),
        answering(None),
        lambda request: b"not a frame at all",
        lambda request: protocol.encode({"neither": "nor"}),
        lambda request: protocol.encode({"error": "failed", "message": "no idea"}),
        lambda request: b"",
    ],
)
def test_a_submit_without_a_proper_answer_is_unknown(
    impostor: Impostor, agent: Agent, root: Path, says: Says
) -> None:
    impostor.says = says
    assert agent.submit([make_job(root)])[0].verdict is Verdict.UNKNOWN


ENTRY = {"name": "x", "kind": "file", "size": 1, "modified": 0.0, "mode": 0o600}


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        [5],
        [{}],
        [ENTRY | {"kind": "dragon"}],
        [ENTRY | {"modified": float("nan")}],
        [ENTRY | {"modified": float("inf")}],
        [ENTRY | {"name": "\ud800"}],
    ],
)
def test_nonsense_about_files_is_unavailable(impostor: Impostor, agent: Agent, value: object) -> None:
    impostor.says = answering(value)
    with pytest.raises(Unavailable):
        agent.listing("/", "")


def test_more_bytes_than_asked_for_are_cut(impostor: Impostor, agent: Agent) -> None:
    impostor.says = answering(9, b"123456789")
    assert agent.read("/", "x", 0, 3) == (b"123", 9)


def test_end_records_for_more_folders_than_asked(impostor: Impostor, agent: Agent) -> None:
    impostor.says = answering([[], []])
    with pytest.raises(Unavailable):
        agent.end_records([("/", "x")])


def test_session_records_for_more_folders_than_asked(impostor: Impostor, agent: Agent) -> None:
    impostor.says = answering(["", ""])
    with pytest.raises(Unavailable):
        agent.session_records([("/", "x")])


def test_local_jobs_out_of_nowhere(impostor: Impostor, agent: Agent) -> None:
    impostor.says = answering([{"slurm_id": 1, "state": "SUCCEEDED"}])
    with pytest.raises(Unavailable):
        agent.local_observe()


def test_error_messages_are_short_and_printable(impostor: Impostor, agent: Agent) -> None:
    message = "\x1b[2Jgone\u202e" + "x" * 100_000
    impostor.says = lambda request: protocol.encode({"error": "invented", "message": message})
    with pytest.raises(AgentError) as caught:
        agent.stat("/", "")
    assert caught.value.reason == "failed"
    assert str(caught.value).startswith("?[2Jgone?xxx")
    assert len(str(caught.value)) <= 2000


@pytest.mark.parametrize("reason", ["refused", "unavailable", "denied", "", "\0"])
def test_every_error_is_one_of_ours(impostor: Impostor, agent: Agent, reason: str) -> None:
    impostor.says = lambda request: protocol.encode({"error": reason, "message": "no"})
    with pytest.raises(SciServerError):
        agent.make_volume("/", "a", "b")
