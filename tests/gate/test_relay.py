"""What goes through: requests, answers, WebSockets, whole."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from . import app as apps
from .app import App, Request, answer, everything
from .peers import WEBSOCKET, Running, head, start_app, until

BIG = 24 << 20


def body_of(answered: bytes) -> bytes:
    return answered.partition(b"\r\n\r\n")[2]


def test_a_request_reaches_the_app_with_its_secret_and_nothing_of_the_gates(gate: Running, app: App) -> None:
    cookies = {"Cookie": "a=1; __Host-pass=secret;b=2", "authorization": "mine", "X-Other": "y"}
    assert body_of(gate.get("/page?q=1", headers=cookies)) == b"/page?q=1"
    seen = app.seen()
    assert seen.line == b"GET /page?q=1 HTTP/1.1"
    assert seen.all("Authorization") == ["token s3cret"]
    assert seen.all("Cookie") == ["a=1; b=2"]
    assert (seen.all("X-Other"), seen.all("Connection")) == (["y"], ["close"])
    assert not [line for line in seen.lines if b"sciserver" in line.lower()]


def test_a_large_download_is_whole(gate: Running, app: App) -> None:
    data = os.urandom(1 << 20) * (BIG >> 20)
    app.handlers["/big"] = lambda peer, _: answer(peer, data)
    assert body_of(gate.get("/big")) == data


def test_a_large_upload_is_whole(gate: Running, app: App) -> None:
    data = os.urandom(1 << 20) * (BIG >> 20)
    sent = head("/echo", "POST", headers={"Content-Length": str(len(data))}) + data
    assert body_of(gate.send(sent)) == data


def test_chunks_go_on_as_they_came(gate: Running, app: App) -> None:
    got: list[bytes] = []
    chunks = b"5\r\nhello\r\n" * 1000 + b"0\r\n\r\n"

    def collect(peer: socket.socket, request: Request) -> None:
        data = request.rest
        while not data.endswith(b"0\r\n\r\n"):
            data += peer.recv(65536)
        got.append(data)
        answer(peer, b"")

    app.handlers["/up"] = collect
    gate.send(head("/up", "POST", headers={"Transfer-Encoding": "chunked"}) + chunks)
    assert got == [chunks]


def test_a_websocket_carries_both_ways(gate: Running, app: App) -> None:
    with gate.open_websocket() as client:
        for message in (b"\x81\x05hello", os.urandom(100_000)):
            client.sendall(message)
            back = b""
            while len(back) < len(message):
                back += client.recv(65536)
            assert back == message
    seen = app.seen()
    assert (seen.all("Connection"), seen.all("Upgrade")) == (["Upgrade"], ["websocket"])
    assert seen.all("Authorization") == ["token s3cret"]


def test_what_a_client_sends_before_the_app_agreed_comes_after(gate: Running, app: App) -> None:
    with gate.connect() as client:
        client.sendall(head("/ws", headers=WEBSOCKET) + b"early")
        data = b""
        while not data.endswith(b"early"):
            data += client.recv(100)
        assert data.startswith(b"HTTP/1.1 101 ")


def test_an_answer_ends_where_the_app_ends(gate: Running, app: App) -> None:
    """Without a length: only the end tells that all is there."""
    app.handlers["/stream"] = lambda peer, _: peer.sendall(apps.OK + apps.CLOSE + b"x" * 3_000_000)
    assert body_of(gate.get("/stream")) == b"x" * 3_000_000


def test_a_client_that_has_said_all_still_gets_its_answer(gate: Running, app: App) -> None:
    def late(peer: socket.socket, request: Request) -> None:
        assert everything(peer) == b""
        answer(peer, b"late")

    app.handlers["/late"] = late
    with gate.connect() as client:
        client.sendall(head("/late"))
        socket.socket.shutdown(client, socket.SHUT_WR)
        assert body_of(everything(client)) == b"late"


def test_the_app_hears_of_a_client_that_is_gone(gate: Running, app: App) -> None:
    gone = threading.Event()

    def waits(peer: socket.socket, request: Request) -> None:
        everything(peer)
        gone.set()

    app.handlers["/poll"] = waits
    with gate.connect() as client:
        client.sendall(head("/poll"))
        until(lambda: app.requests)
    assert gone.wait(20)
    until(lambda: gate.ask({"do": "status"})["passes"] == {})


def test_a_client_that_goes_before_its_websocket_opens_is_let_go(gate: Running, app: App) -> None:
    app.handlers["/ws"] = lambda peer, _: everything(peer) and None
    with gate.connect() as client:
        client.sendall(head("/ws", headers=WEBSOCKET))
        until(lambda: app.requests)
    until(lambda: gate.ask({"do": "status"})["passes"] == {})


def test_an_app_that_answers_before_the_body_was_sent_is_heard(gate: Running, app: App) -> None:
    app.handlers["/full"] = lambda peer, _: answer(peer, b"too much", b"413 Content Too Large")
    with gate.connect() as client:
        client.sendall(head("/full", "POST", headers={"Content-Length": "1000000"}) + b"x" * 1000)
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")
        client.sendall(b"x" * 10_000)


def test_the_mode_chooses_the_socket(gate: Running, app: App) -> None:
    show = start_app(gate, "view.sock")
    try:
        assert body_of(gate.get("/seen", mode="view")) == b"/seen"
        assert (len(show.requests), len(app.requests)) == (1, 0)
    finally:
        show.close()


@pytest.mark.parametrize("mode", ["", "USE", "use.sock", "../use", "own"])
def test_other_modes_are_forbidden(gate: Running, app: App, mode: str) -> None:
    assert gate.get(mode=mode).startswith(b"HTTP/1.1 403 ")
    assert not app.requests


def test_an_app_that_refuses_is_told_as_such(gate: Running, app: App) -> None:
    assert gate.get(mode="view").startswith(b"HTTP/1.1 502 ")  # its socket is not there
    large = {"Content-Length": str(200_000)}
    assert (
        gate.send(head("/", "POST", mode="view", headers=large) + b"x" * (200_000))[:13] == b"HTTP/1.1 502 "
    )
