"""From waiting for the app to the end."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from .app import App, Request, answer, everything
from .conftest import MakeGate
from .peers import PYTHON, UUID, Running, start_app, until


def test_the_record_is_there_once_the_app_answers(gate: Running) -> None:
    """302 counts as an answer here, 503 does not."""
    app = start_app(gate)
    codes = [b"503 Later", b"503 Later", b"302 Found"]
    asked: list[Request] = []
    published: list[bool] = []

    def ready(peer: object, request: Request) -> None:
        published.append(gate.record.exists())
        asked.append(request)
        answer(peer, b"", codes[len(asked) - 1])  # type: ignore[arg-type]

    app.handlers["/ready"] = ready
    gate.start()
    gate.ready()
    assert published == [False] * 3
    assert asked[0].all("Authorization") == ["token s3cret"]
    record = json.loads(gate.record.read_text())
    assert record == {"uuid": UUID, "slurm_id": 4711, "restarts": 2, "port": record["port"]}
    assert 1024 <= record["port"] <= 65535
    assert stat.S_IMODE(gate.record.stat().st_mode) == 0o600
    assert not [path for path in gate.place.iterdir() if path.name.endswith(".new")]
    app.close()


def test_an_app_that_never_answers(make_gate: MakeGate) -> None:
    gate = make_gate(ready={"path": "/ready", "statuses": [200], "timeout_s": 0.5})
    gate.start()
    assert gate.code() == 13
    assert not gate.record.exists()


def test_an_app_that_accepts_and_says_nothing_never_answers(make_gate: MakeGate) -> None:
    gate = make_gate({"ANSWER_S": "0.2"}, ready={"path": "/ready", "statuses": [200], "timeout_s": 0.5})
    app = start_app(gate)
    app.handlers["/ready"] = lambda peer, _: everything(peer) and None
    gate.start()
    assert gate.code() == 13
    app.close()


def test_an_app_that_goes_away(make_gate: MakeGate) -> None:
    gate = make_gate({"GONE_S": "0.5", "CHECK_EVERY_S": "0.1"})
    app = start_app(gate)
    gate.start()
    gate.ready()
    app.close()
    assert gate.get().startswith(b"HTTP/1.1 502 ")
    assert gate.code() == 14


def test_an_app_that_comes_back_in_time_was_not_away(make_gate: MakeGate) -> None:
    gate = make_gate({"GONE_S": "30.0", "CHECK_EVERY_S": "0.1"})
    app = start_app(gate)
    gate.start()
    gate.ready()
    app.close()
    assert gate.get().startswith(b"HTTP/1.1 502 ")
    app.path.unlink()
    again = start_app(gate)
    assert gate.get().startswith(b"HTTP/1.1 200 ")
    again.close()


@pytest.mark.parametrize(("cause", "code"), [("stopped", 10), ("idle", 11), ("time", 12)])
def test_a_stop_saves_first(gate: Running, app: App, cause: str, code: int) -> None:
    assert gate.ask({"do": "stop", "cause": cause}) == {}
    assert gate.word() == "save"
    assert gate.get().startswith(b"HTTP/1.1 200 ")  # still served
    assert gate.ask({"do": "stop", "cause": "stopped"}) == {}  # the first counts
    (gate.session / "saved").touch()
    assert gate.code() == code


def test_a_stop_is_answered_before_the_end(make_gate: MakeGate) -> None:
    gate = make_gate(save_s=0)
    app = start_app(gate)
    gate.start()
    gate.ready()
    assert gate.ask({"do": "stop", "cause": "stopped"}) == {}
    assert gate.code() == 10
    app.close()


def test_saving_has_its_time(make_gate: MakeGate) -> None:
    gate = make_gate(save_s=0.3)
    app = start_app(gate)
    gate.start()
    gate.ready()
    gate.ask({"do": "stop", "cause": "idle"})
    assert gate.code() == 11
    assert gate.word() == "save"
    app.close()


def test_usr1_says_that_time_is_nearly_up(gate: Running, app: App) -> None:
    gate.signal(signal.SIGUSR1)
    assert gate.word() == "save"
    (gate.session / "saved").touch()
    assert gate.code() == 12


def test_term_ends_it_at_once(gate: Running, app: App) -> None:
    with gate.open_websocket() as client:
        gate.signal(signal.SIGTERM)
        assert gate.code() == 10
        assert gate.word() == ""
        assert everything(client) == b""


def test_term_ends_it_while_it_saves(make_gate: MakeGate) -> None:
    gate = make_gate(save_s=600)
    app = start_app(gate)
    gate.start()
    gate.ready()
    gate.signal(signal.SIGUSR1)
    assert gate.word() == "save"
    gate.signal(signal.SIGTERM)
    assert gate.code() == 10
    app.close()


def test_term_ends_it_while_it_waits_for_the_app(make_gate: MakeGate) -> None:
    gate = make_gate(ready={"path": "/ready", "statuses": [200], "timeout_s": 600})
    gate.start()
    until(lambda: handles_term(gate))
    gate.signal(signal.SIGTERM)
    assert gate.code() == 10


def handles_term(gate: Running) -> bool:
    """Has it come so far (proc(5), SigCgt)?"""
    assert gate.process is not None
    text = Path(f"/proc/{gate.process.pid}/status").read_text()
    return bool(int(text.partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"inject": [["Authorization", "a\r\nb"]]},
        {"inject": [["Bad Name", "x"]]},
        {"inject": [["A", "x"], ["a", "y"]]},
        {"inject": [["Connection", "x"]]},
        {"ready": {"path": "no/slash", "statuses": [200], "timeout_s": 1}},
        {"ready": {}},
        {"idle": None},
    ],
)
def test_settings_that_cannot_be_are_a_defect(make_gate: MakeGate, settings: dict[str, object]) -> None:
    gate = make_gate(**settings)
    gate.start()
    assert gate.code() == 15
    assert gate.log.read_text().startswith("gate: ")


def test_a_record_that_cannot_be_written_is_a_defect(gate: Running) -> None:
    app = start_app(gate)
    gate.record = gate.place / "none" / "session.json"
    gate.start()
    assert gate.code() == 15
    app.close()


def test_a_session_directory_with_a_long_name_serves(make_gate: MakeGate) -> None:
    """The path of a socket holds 107 bytes."""
    gate = make_gate()
    gate.session = gate.place / ("long" * 30)
    gate.session.mkdir()
    here = Path.cwd()
    try:
        os.chdir(gate.session)
        app = App(Path("use.sock"))
    finally:
        os.chdir(here)
    gate.start()
    gate.ready()
    assert gate.get().startswith(b"HTTP/1.1 200 ")
    app.close()


def test_it_stays_small(gate: Running, app: App) -> None:
    with gate.open_websocket(), gate.open_websocket(), gate.open_websocket():
        for _ in range(5):
            gate.get()
        gate.ask({"do": "status"})
        assert gate.memory_kb() <= 25 * 1024  # the figure is benchmarks/gate.py's; this catches a slip


def test_without_arguments_it_is_a_defect(gate: Running) -> None:
    done = subprocess.run([PYTHON, "-I", "-S", gate.place / "gate.py"], capture_output=True, check=False)
    assert done.returncode == 15
