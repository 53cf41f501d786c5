"""Requests made so that gate and app read them differently."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.session_ca import SessionCa

from .app import App, Request, answer, everything
from .peers import WEBSOCKET, Running, head, start_app

SECOND = b"GET /second HTTP/1.1\r\nHost: x\r\nX-Sciserver-Pass: 1\r\nX-Sciserver-Mode: use\r\n\r\n"


@pytest.fixture(scope="module")
def gate(ca: SessionCa, authority: Path, certificate: str) -> Iterator[Running]:
    """One for all of these tests, with its app."""
    running = Running(Path(tempfile.mkdtemp(prefix="gate-")), ca, authority, certificate, {})
    yield running
    running.close()


@pytest.fixture(scope="module")
def started(gate: Running) -> Iterator[App]:
    found = start_app(gate)
    gate.start()
    gate.ready()
    yield found
    found.close()


@pytest.fixture
def app(started: App) -> App:
    """Nothing was asked of it yet."""
    started.requests.clear()
    started.handlers.pop("/", None)
    return started


def line(text: bytes) -> bytes:
    """A head with one line more."""
    return head()[:-2] + text + b"\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        line(b"Content-Length: 3\r\nTransfer-Encoding: chunked") + b"0\r\n\r\n" + SECOND,
        line(b"Content-Length: 3\r\nContent-Length: 4") + b"abcd",
        line(b"Content-Length: 3, 3") + b"abc",
        line(b"Content-Length: +3") + b"abc",
        line(b"Content-Length: ") + SECOND,
        line(b"Content-Length: 9999999999999999"),
        line(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity") + SECOND,
        line(b"Transfer-Encoding: chunked, identity") + SECOND,
        line(b"Transfer-Encoding: xchunked") + SECOND,
        line(b"Transfer-Encoding : chunked") + SECOND,
        line(b" folded: x"),
        line(b"X: a\r\n\tfolded"),
        line(b"X: a\nAuthorization: mine"),
        line(b"X: a\rAuthorization: mine"),
        line(b"X: a\0b"),
        line(b"no colon"),
        line(b": no name"),
        line(b"X-Sciserver-Pass: 18"),
        line(b"x-sciserver-MODE: view"),
        head(pass_id="-1"),
        head(pass_id="1 2"),
        head(pass_id=""),
        head(pass_id="1" * 30),
        b"GET / HTTP/1.1\r\nX-Sciserver-Mode: use\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Sciserver-Pass: 1\r\n\r\n",
        b"\r\n" + head(),
        head().replace(b" HTTP/1.1", b""),
        head().replace(b" HTTP/1.1", b" HTTP/2.0"),
        head().replace(b"GET /", b"GET  /"),
        head().replace(b"GET /", b"GET http://elsewhere/"),
        head().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n"),
        head("/", "CON NECT"),
        head("/").replace(b"HTTP/1.1", b"HTTP/1.0", 1)[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(gate: Running, app: App, data: bytes) -> None:
    assert gate.send(data).startswith(b"HTTP/1.1 400 ")
    assert not app.requests


def test_a_head_without_end_is_refused(gate: Running, app: App) -> None:
    assert gate.send(line(b"X: " + b"a" * 70_000)).startswith(b"HTTP/1.1 431 ")
    assert not app.requests


@pytest.mark.parametrize(
    "name", ["Transfer_Encoding", "Content.Length", "X_Sciserver_Pass", "AUTHORIZATION", "Te"]
)
def test_names_that_read_as_others_are_left_out(gate: Running, app: App, name: str) -> None:
    gate.send(line(f"{name}: chunked".encode()))
    assert name.lower().encode() + b": chunked" not in app.seen().head.lower()


class Listening:
    """An app that keeps the connection open and takes all it is sent, until told that it is enough."""

    def __init__(self, app: App, first: bytes, enough: bytes) -> None:
        self.got = b""
        self._first = first
        self._enough = enough
        app.handlers["/"] = self._listen

    def _listen(self, peer: socket.socket, request: Request) -> None:
        peer.sendall(self._first)
        self.got = request.rest
        while not self.got.endswith(self._enough):
            more = peer.recv(65536)
            if not more:
                return
            self.got += more
        answer(peer, b"done")


NO = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def drive(gate: Running, *parts: bytes, answered: bytes = b"") -> None:
    """Send it and end, past TLS; the second part waits for the first to be answered so. What the app got is
    told when it has heard of the end."""
    with gate.connect() as client:
        for number, part in enumerate(parts):
            assert not number or client.recv(len(answered)) == answered
            client.sendall(part)
        socket.socket.shutdown(client, socket.SHUT_WR)
        everything(client)


@pytest.mark.parametrize(
    ("start", "body"),
    [
        (head(), b""),
        (head("/", "POST", headers={"Content-Length": "5"}), b"hello"),
        (head("/", "POST", headers={"Transfer-Encoding": "Chunked"}), b"5\r\nhello\r\n0\r\n\r\n"),
        (head(headers={"Upgrade": "h2c", "Connection": "Upgrade"}), b""),
        (head("/", "POST", headers=WEBSOCKET | {"Content-Length": "2"}), b"hi"),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_nothing_behind_the_body_reaches_the_app(
    gate: Running, app: App, start: bytes, body: bytes, apart: bool
) -> None:
    listening = Listening(app, b"", b"never")
    drive(gate, *([start, body, SECOND] if apart else [start + body + SECOND]))
    assert listening.got == body
    assert app.seen().all("Upgrade") == []


@pytest.mark.parametrize("apart", [False, True])
def test_a_websocket_the_app_refused_carries_no_second_request(gate: Running, app: App, apart: bool) -> None:
    listening = Listening(app, NO, b"never")
    start = head(headers=WEBSOCKET)
    drive(gate, *([start, SECOND] if apart else [start + SECOND]), answered=NO)
    assert listening.got == b""


@pytest.mark.parametrize(
    "chunks",
    [
        b"5;x=y\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhelloworld\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"-1\r\n",
        b"\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"0\r\nTrailer: x\r\n\r\n",
        b"fffffffffffffffff\r\n",
    ],
)
def test_chunks_that_cannot_be_read_end_the_connection(gate: Running, app: App, chunks: bytes) -> None:
    listening = Listening(app, b"", b"never")
    drive(gate, head("/", "POST", headers={"Transfer-Encoding": "chunked"}) + chunks + SECOND)
    assert b"second" not in listening.got
