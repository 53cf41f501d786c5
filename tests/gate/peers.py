"""A gate that runs, and those who come to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sciserver_hpc.domain.sessions import gate_name
from sciserver_hpc.render.gate import program
from sciserver_hpc.session_ca import SessionCa

from .app import App, everything

UUID = "0123456789abcdef0123456789abcdef"
PYTHON = "/usr/bin/python3"
SETTINGS: dict[str, Any] = {
    "uuid": UUID,
    "ready": {"path": "/ready", "statuses": [200, 302], "timeout_s": 20},
    "inject": [["Authorization", "token s3cret"]],
    "drop_cookies": ["__Host-pass"],
    "idle": {"http": None, "traffic": True, "file": True, "cpu_percent": None},
    "view": True,
    "save_s": 20,
}
WAIT_S = 20.0
"""How long a test waits for what has to happen, before it says that it did not."""

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WEBSOCKET = {"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY}


def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def head(
    path: str = "/", method: str = "GET", pass_id: object = 17, mode: str = "use", **more: dict[str, str]
) -> bytes:
    """A request's head as nginx sends it."""
    headers = {
        "Host": "x.sessions",
        "X-Sciserver-Pass": str(pass_id),
        "X-Sciserver-Mode": mode,
        **more.get("headers", {}),
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


class Running:
    """A gate in a process of its own; `constants` are put in place of the program's."""

    def __init__(
        self,
        place: Path,
        ca: SessionCa,
        directory: Path,
        certificate: str,
        constants: dict[str, str],
        **settings: Any,
    ) -> None:
        self.place = place
        self._authority = directory
        self.session = place / "session"
        self.session.mkdir()
        self.record = place / "session.json"
        self.log = place / "gate.err"
        (place / "gate.json").write_text(json.dumps(SETTINGS | settings))
        (place / "gate.pem").write_text(certificate)
        (place / "gate-ca.pem").write_text(ca.ca_pem())
        (place / "gate.py").write_text(changed(program(), constants))
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Run it; `ready` waits."""
        argv = [PYTHON, "-I", "-S", *map(str, (self.place / "gate.py", self.place / "gate.json"))]
        environment = {"SLURM_JOB_ID": "4711", "SLURM_RESTART_COUNT": "2", "PATH": os.environ["PATH"]}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*argv, str(self.session), str(self.record)],
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                env=environment,
                start_new_session=True,
            )

    def ready(self) -> None:
        """It said so."""
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.log.read_text()

    def code(self) -> int:
        """What it ended with."""
        assert self.process is not None
        return self.process.wait(WAIT_S)

    def signal(self, number: signal.Signals) -> None:
        """Send it one."""
        assert self.process is not None
        self.process.send_signal(number)

    @property
    def port(self) -> int:
        """As published."""
        return int(json.loads(self.record.read_text())["port"])

    def plain(self) -> socket.socket:
        """A connection without a word of TLS."""
        return socket.create_connection(("127.0.0.1", self.port), WAIT_S)

    def connect(self, name: str | None = "proxy") -> ssl.SSLSocket:
        """With the certificate of this client (or the files `<name>.pem` and `<name>.key`), or none."""
        context = ssl.create_default_context(cafile=str(self._authority / "ca.pem"))
        if name:
            context.load_cert_chain(self._authority / f"{name}.pem", self._authority / f"{name}.key")
        return context.wrap_socket(self.plain(), server_hostname=gate_name(UUID))

    def send(self, data: bytes) -> bytes:
        """All that a connection is answered."""
        with self.connect() as client:
            client.sendall(data)
            return everything(client)

    def get(self, path: str = "/", **more: Any) -> bytes:
        """The whole answer to one request."""
        return self.send(head(path, **more))

    def open_websocket(self, pass_id: int = 17, mode: str = "use") -> ssl.SSLSocket:
        """One that was agreed to."""
        client = self.connect()
        client.sendall(head("/ws", pass_id=pass_id, mode=mode, headers=WEBSOCKET))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += client.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 ")
        return client

    def ask(self, question: object) -> dict[str, Any]:
        """What the broker is answered."""
        line = question if isinstance(question, bytes) else json.dumps(question).encode()
        with self.connect("broker") as client:
            client.sendall(line + b"\n")
            return dict(json.loads(everything(client)))

    def memory_kb(self) -> int:
        """Resident."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0])

    def close(self) -> None:
        """End it, if it lives."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
        shutil.rmtree(self.place)


def changed(text: str, constants: dict[str, str]) -> str:
    """The program with other values of its constants: tests cannot wait for minutes."""
    for name, value in constants.items():
        before, line, after = text.partition(f"\n{name} = ")
        assert line, f"there is no {name}"
        text = f"{before}{line}{value}{after[after.index(chr(10)) :]}"
    return text


def start_app(running: Running, name: str = "use.sock") -> App:
    """An app of this session."""
    return App(running.session / name)
