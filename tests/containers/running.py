"""An app as it runs in a session: its start script in its image, as alice, in the cluster's namespace."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic, sleep

from pydantic import JsonValue

from sciserver_hpc.app_files import AppFiles
from sciserver_hpc.devcluster import apptainer, images
from sciserver_hpc.devcluster.namespace import Command, Namespace, environment
from sciserver_hpc.domain.apps import App, Listens
from sciserver_hpc.gate import port_relay
from sciserver_hpc.render.app_script import app_script

from .websocket import WebSocket

SECRET = "s3cret-of-the-session"
ORIGIN = "https://session.example.org"
INSIDE = "/home/idies/.session"
NETWORK = ("unshare", "--user", "--map-current-user", "--keep-caps", "--net", "--")


class Running:
    """`place`: the home directory's host path; the sockets are below `session`."""

    def __init__(self, app: App, place: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.app, self.place, self.log = app, place, log
        self.session = place / "home/.session"
        self.closing = contextlib.ExitStack()
        self._process = process

    @property
    def socket(self) -> Path:
        return self.session / "use.sock"

    def get(self, target: str, method: str = "GET", body: str | None = None) -> tuple[int, bytes]:
        """Status and text, asked as the gate asks. Raises OSError while nothing answers."""
        connection = http.client.HTTPConnection("session.example.org")
        with contextlib.closing(connection):
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(60)
            connection.sock.connect(str(self.socket))
            connection.request(method, target, body=body, headers=dict(self.app.headers(SECRET)))
            with connection.getresponse() as answer:
                return answer.status, answer.read()

    def connect(
        self, target: str, *, origin: str = ORIGIN, protocol: str = "", view: bool = False
    ) -> WebSocket:
        """A WebSocket, asked for as the gate asks; closed with the app. Raises ConnectionError."""
        headers = [f"Origin: {origin}", *(f"{name}: {value}" for name, value in self.app.headers(SECRET))]
        path = self.session / "view.sock" if view else self.socket
        made = WebSocket(path, target, headers, protocol)
        self.closing.callback(made.close)
        return made

    def ready(self) -> bool:
        assert self._process.poll() is None, self.words()
        try:
            return self.get(self.app.ready.path)[0] in self.app.ready.statuses
        except (OSError, http.client.HTTPException):
            return False

    def words(self) -> str:
        """What it said."""
        return self.log.read_text(errors="replace")

    def pids(self) -> list[int]:
        """All its processes: those that have its home mounted, and their parents up to ours."""
        found, todo = [], [self._process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for file in Path(f"/proc/{pid}/task").glob("*/children"):
                todo += map(int, _read(file).split())
        return found

    def listening(self) -> list[str]:
        """TCP ports (hexadecimal addresses) and abstract sockets at which its processes listen in the node's
        network."""
        mine = {_link(fd) for pid in self.pids() for fd in _descriptors(pid)}
        node = _link(Path("/proc/self/ns/net"))
        pids = [pid for pid in self.pids() if _link(Path(f"/proc/{pid}/ns/net")) == node]
        assert pids or self.app.listens is Listens.PORT
        tcp = [
            row.split()[1]
            for table in ("tcp", "tcp6")
            for row in _read(Path("/proc/net") / table).splitlines()[1:]
            if row.split()[3] == "0A" and f"socket:[{row.split()[9]}]" in mine
        ]
        rows = (row.split() for row in _read(Path("/proc/net/unix")).splitlines()[1:])
        # Flag 00010000: it listens, see unix(7) and net/unix/af_unix.c.
        abstract = [row[7] for row in rows if len(row) > 7 and row[7].startswith("@") and row[3] == "00010000"
                    and f"socket:[{row[6]}]" in mine]  # fmt: skip
        return tcp + abstract

    def exposed(self) -> list[str]:
        """Where the secret stands in an argument vector or an environment."""
        files = (Path(f"/proc/{pid}/{name}") for pid in self.pids() for name in ("cmdline", "environ"))
        return [str(file) for file in files if SECRET in _read(file)]


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _descriptors(pid: int) -> list[Path]:
    try:
        return [path for path in Path(f"/proc/{pid}/fd").iterdir() if _link(path)]
    except OSError:
        return []


def until(happened: Callable[[], bool], seconds: float = 90) -> None:
    deadline = monotonic() + seconds
    while not happened():
        assert monotonic() < deadline, "it did not happen"
        sleep(0.1)


@contextlib.contextmanager
def running(
    namespace: Namespace, place: Path, name: str, image: str, values: Mapping[str, JsonValue]
) -> Iterator[Running]:
    """The shipped app `name` in `image`, ready; `place` is alice's and empty, on the node."""
    app = AppFiles().apps()[name]
    (found,) = images.ensure([image])
    variables = {
        "app_socket": f"{INSIDE}/use.sock",
        "app_view_socket": f"{INSIDE}/view.sock" if app.view else "",
        "app_secret_file": f"{INSIDE}/secret",
        "app_origin": ORIGIN,
        "app_folder": INSIDE,
        "app_port": str(app.port or ""),
    }
    home = place / "home"
    for directory in (home / ".session", home / "workspace", place / "work"):
        namespace.check(Command(["mkdir", "-p", "-m", "700", str(directory)], "alice"), "app")
    for file, text in (("secret", SECRET), ("start.sh", app_script(app.start, app.check(values), variables))):
        namespace.check(Command(["tee", str(home / ".session" / file)], "alice"), "app", text=text)
    argv = [
        *(str(apptainer.ensure()), "--silent", "exec", "--containall", "--no-eval"),
        *("--home", f"{home}:/home/idies", "--workdir", str(place / "work")),
        *(found.path, "/bin/bash", f"{INSIDE}/start.sh"),
    ]
    if app.port:
        argv = [*relay_argv(namespace, place, app.port, home / ".session/use.sock"), *argv]
    log = place.with_suffix(".log")
    with log.open("wb") as file:
        command = Command(["sh", "-c", 'umask 077; exec "$@"', "sh", *argv], "alice")
        process = subprocess.Popen(
            namespace.argv(command), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            env=environment(command), cwd="/", start_new_session=True,
        )  # fmt: skip
    started = Running(app, place, process, log)
    try:
        with started.closing:
            until(started.ready)
            yield started
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def relay_argv(namespace: Namespace, place: Path, port: int, path: Path) -> list[str]:
    """What stands before the command that serves `port`: it is served at `path`. `place` is alice's."""
    program = place / "port_relay.py"
    text = Path(port_relay.__file__).read_text()
    namespace.check(Command(["tee", str(program)], "alice"), "app", text=text)
    return [*NETWORK, "python3", "-I", "-S", str(program), str(port), str(path)]
