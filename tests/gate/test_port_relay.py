"""A port in a network of its own, joined to a socket: as an ordinary user, with real namespaces."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from sciserver_hpc.gate import port_relay

NAMESPACE = ("unshare", "--user", "--map-current-user", "--keep-caps", "--net", "--")
ORDINARY = 64321
BECOME = (
    ("setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups") if os.geteuid() == 0 else ()
)
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(self.path.encode())
http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""
Start = Callable[..., subprocess.Popen[str]]


def until(happened: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not happened():
        assert monotonic() < deadline, "it did not happen"
        sleep(0.02)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of the ordinary user's, with the relay as a file in it; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory(prefix="relay-") as name:
        place = Path(name)
        (place / "port_relay.py").write_text(Path(port_relay.__file__).read_text())
        if os.geteuid() == 0:
            os.chown(place, ORDINARY, ORDINARY)
        yield place


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    """Start a Python text behind the relay; its words go to the pipe."""
    started = []

    def run(text: str, port: int = 8080) -> subprocess.Popen[str]:
        relay = (sys.executable, "-I", "-S", "port_relay.py", str(port), str(place / "use.sock"))
        process = subprocess.Popen(
            [*BECOME, *NAMESPACE, *relay, sys.executable, "-I", "-S", "-c", text],
            cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.terminate()
        process.communicate(timeout=20)


def get(path: Path, target: str) -> str:
    connection = http.client.HTTPConnection("app")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    connection.sock.connect(str(path))
    connection.request("GET", target)
    return connection.getresponse().read().decode()


def test_the_socket_answers_for_the_port_and_nothing_else_does(place: Path, start: Start) -> None:
    start(SERVER)
    until((place / "use.sock").exists)
    assert get(place / "use.sock", "/hello") == "/hello"
    assert (place / "use.sock").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 8080), timeout=5)


def test_there_is_no_way_out_and_no_capability(start: Start) -> None:
    text = """
import socket
print(sorted(name for _, name in socket.if_nameindex()))
try: socket.create_connection(("192.0.2.1", 80), timeout=2)
except OSError as error: print(error.strerror)
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")])
"""
    words, _ = start(text).communicate(timeout=20)
    assert words.splitlines() == ["['lo']", "Network is unreachable", "['0000000000000000']"]


def test_it_ends_with_the_commands_code_and_passes_signals_on(start: Start) -> None:
    process = start("raise SystemExit(7)")
    assert process.wait(20) == 7
    waiting = start(
        "import signal, sys; print('on', flush=True); signal.sigwait([signal.SIGUSR1]); sys.exit(5)"
    )
    blocked = start(
        "import signal, sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
        "print('on', flush=True); signal.sigwait([signal.SIGUSR1]); sys.exit(5)"
    )
    for one, number, code in ((waiting, signal.SIGTERM, 143), (blocked, signal.SIGUSR1, 5)):
        assert one.stdout is not None and one.stdout.readline() == "on\n"
        one.send_signal(number)
        assert one.wait(20) == code


def test_when_the_port_goes_the_socket_refuses_until_it_is_back(place: Path, start: Start) -> None:
    text = """
import os, socket, time
for turn in range(2):
    while not os.path.exists(f"turn {turn}"): time.sleep(0.02)
    server = socket.create_server(("127.0.0.1", 8080))
    server.accept()  # the relay, which looks
    one, _ = server.accept()
    one.sendall(b"turn %d" % turn); one.close(); server.close()
time.sleep(30)
"""
    start(text)
    for turn in range(2):
        (place / f"turn {turn}").touch()
        until((place / "use.sock").exists)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place / "use.sock"))
            assert client.recv(100) == b"turn %d" % turn
        until(lambda: refuses(place / "use.sock"))


def refuses(path: Path) -> bool:
    """A knock at a port that has gone takes the socket away."""
    with socket.socket(socket.AF_UNIX) as late:
        late.settimeout(20)
        try:
            late.connect(str(path))
            late.recv(100)
        except OSError:
            return not path.exists()
    return False


def test_a_long_answer_and_a_half_closed_connection_pass(place: Path, start: Start) -> None:
    text = """
import socket
server = socket.create_server(("127.0.0.1", 8080))
server.accept()
one, _ = server.accept()
size = 0
while data := one.recv(65536): size += len(data)
one.sendall(b"x" * size); one.close()
server.accept()
"""
    start(text)
    until((place / "use.sock").exists)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(place / "use.sock"))
        client.sendall(b"y" * 3_000_000)
        client.shutdown(socket.SHUT_WR)
        received = 0
        while data := client.recv(65536):
            received += len(data)
    assert received == 3_000_000


def test_it_does_not_start_in_the_network_of_the_node(place: Path) -> None:
    relay = (sys.executable, "-I", "-S", "port_relay.py", "8080", str(place / "use.sock"), "true")
    done = subprocess.run([*BECOME, *relay], cwd=place, capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr
