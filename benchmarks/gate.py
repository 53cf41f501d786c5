"""The way into a session: nginx, gate and app against nginx and app, TLS to the client both times.

Figures: how much of the throughput of a large download is kept, against nginx alone and against TLS on both
legs at its cheapest (an nginx in the gate's place); what a WebSocket message takes longer; what the gate's
process holds with a few connections open. nginx has the settings that the cluster's has. The app is a program
of a few lines on a unix socket.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sciserver_hpc.devcluster.templates import OWN, render
from sciserver_hpc.session_ca import SessionCa, create
from tests.gate.app import CLOSE, OK, App, Request
from tests.gate.peers import UUID, WEBSOCKET, Running

from .figure import Figure, tell

SIZE = 512 << 20
ROUNDS, MESSAGES, OPEN = 5, 3_000, 5
NGINX = """
daemon off; worker_processes 1; pid {place}/{name}.pid; error_log stderr;
events {{ }}
http {{
  access_log off;
  ssl_certificate {pem}; ssl_certificate_key {pem};
  proxy_temp_path {place}/{name}-proxy;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  {settings}
  server {{
    listen 127.0.0.1:{port} ssl;
    set $session {uuid}; set $pass 17; set $mode use;
    {server}
  }}
}}
"""
FRONT = """
    location /direct/ {{ proxy_pass http://unix:{socket}:/; }}
    location /gate/ {{ proxy_pass https://127.0.0.1:{gate}/; }}
    location /least/ {{ proxy_pass https://127.0.0.1:{least}/; }}
"""
LEAST = """
    ssl_client_certificate {ca}/ca.pem; ssl_verify_client on;
    location / {{ proxy_pass http://unix:{socket}:/; }}
"""
"""In the gate's place, what only opens and closes TLS, in C: what TLS on both legs costs at the least."""


def serve(path: Path) -> None:
    """The app."""
    app = App(path)
    part = b"x" * (1 << 20)

    def big(peer: socket.socket, _request: Request) -> None:
        peer.sendall(OK + b"Content-Length: %d\r\n" % SIZE + CLOSE)
        for _ in range(SIZE // len(part)):
            peer.sendall(part)

    app.handlers["/big"] = big
    while True:
        time.sleep(3600)


def speed(url: str) -> float:
    """Bytes a second of one download."""
    argv = ["curl", "-sSk", "-o", "/dev/null", "-w", "%{speed_download} %{size_download}", url]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    bytes_a_second, size = done.stdout.split()
    assert int(size) == SIZE
    return float(bytes_a_second)


def connect(port: int, way: str) -> ssl.SSLSocket:
    """An open WebSocket."""
    context = ssl._create_unverified_context()
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = [f"GET /{way}/ws HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in WEBSOCKET.items())]
    client.sendall("\r\n".join([*lines, "", ""]).encode())
    assert b" 101 " in client.recv(4096)
    return client


def round_trips(client: ssl.SSLSocket) -> list[float]:
    """Milliseconds of messages there and back."""
    found = []
    for _ in range(MESSAGES):
        start = time.perf_counter()
        client.sendall(b"m" * 100)
        client.recv(4096)
        found.append((time.perf_counter() - start) * 1000)
    return found


@contextmanager
def nginx(place: Path, name: str, running: Running, server: str, **values: object) -> Iterator[int]:
    """One with this server, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    values = {"ca": place / "ca", "socket": running.session / "use.sock"} | values
    text = NGINX.format(
        place=place,
        name=name,
        uuid=UUID,
        pem=running.place / "gate.pem",
        port=port,
        settings=render(OWN, "session-proxy.conf.j2", proxy=place / "ca"),
        server=server.format(**values),
    )
    file = place / f"{name}.conf"
    file.write_text(text)
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    process = subprocess.Popen([program, "-p", str(place), "-c", str(file)])
    try:
        while True:
            assert process.poll() is None
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def measure(running: Running, port: int) -> list[Figure]:
    """All ways in turn, so that whatever else the machine does hits all."""
    speeds: dict[str, list[float]] = {"direct": [], "gate": [], "least": []}
    times: dict[str, list[float]] = {"direct": [], "gate": [], "least": []}
    with ExitStack() as stack:
        clients = {way: stack.enter_context(connect(port, way)) for way in speeds}
        for _ in range(OPEN - 1):
            stack.enter_context(connect(port, "gate"))
        for _ in range(ROUNDS):
            for way, client in clients.items():
                speeds[way].append(speed(f"https://127.0.0.1:{port}/{way}/big") / 1e6)
                times[way] += round_trips(client)
        memory = running.memory_kb() / 1024
    typical = {way: median(found) for way, found in speeds.items()}
    added = median(times["gate"]) - median(times["direct"])
    late = {way: sorted(found)[len(found) * 99 // 100] for way, found in times.items()}
    raw = {way: [round(value) for value in found] for way, found in speeds.items()}
    return [
        _ratio("session.throughput_vs_nginx", typical["gate"] / typical["direct"], 0.8, raw),
        _ratio("session.throughput_vs_tls", typical["gate"] / typical["least"], 0.9, raw),
        Figure("session.ws_added_ms", round(added, 3), "ms", 1, "lower", {"p99_ms": late}),
        Figure("session.gate_rss_mb", round(memory, 1), "MiB", 25, "lower", {"connections": OPEN}),
    ]


def _ratio(name: str, value: float, goal: float, raw: dict[str, list[int]]) -> Figure:
    return Figure(name, round(value, 2), "ratio", goal, "higher", raw)


def figures() -> list[Figure]:
    """Needs nginx and curl, and nothing of the cluster."""
    place = Path(tempfile.mkdtemp(prefix="gate-"))
    place.chmod(0o755)  # nginx's workers may be others
    ca, now = place / "ca", datetime.now(UTC)
    create(ca, now)
    authority = SessionCa(ca)
    running = Running(Path(tempfile.mkdtemp(prefix="gate-")), authority, ca, authority.issue(UUID, now), {})
    app = multiprocessing.get_context("fork").Process(target=serve, args=(running.session / "use.sock",))
    app.start()
    try:
        running.start()
        running.ready()
        for path in (running.place, running.session):
            path.chmod(0o755)
        (running.session / "use.sock").chmod(0o777)
        with (
            nginx(place, "least", running, LEAST) as least,
            nginx(place, "front", running, FRONT, gate=running.port, least=least) as port,
        ):
            return measure(running, port)
    finally:
        app.kill()
        running.close()
        shutil.rmtree(place)


def main() -> int:
    """These alone."""
    tell(*figures())
    return 0


if __name__ == "__main__":
    sys.exit(main())
