"""Reaching the agent of a user: the one that lives, else a new one.

The socket `<directory>/<uid>.sock` is bound here and handed to the agent as file descriptor 0, so it can be
connected to before the agent runs. A lock file per uid lets one process at a time start an agent; one that
was killed leaves a socket that refuses connections, which is how its death is seen.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ..domain.errors import AgentError, Refused, Unavailable
from ..domain.scheduling import Owner
from .connection import Connection, Lost, NotSent
from .options import AgentOptions
from .patience import Patience
from .transports import Transport

HELLO_S = 10.0
"""For an agent to start and greet, in seconds."""

BACKLOG = 128
_PATH_MAX = 107
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_WORDS_MAX = 2000


class Hello(BaseModel):
    """How an agent introduces itself."""

    uid: int
    username: str
    pid: int


class _Nobody(Exception):
    """No agent is behind the socket."""


class Started:
    """An agent this process started: waited for, so that it leaves no zombie, and what it said at first."""

    def __init__(self, argv: list[str], listener: socket.socket) -> None:
        self.process = subprocess.Popen(
            argv,
            stdin=listener.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        self._words = b""
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        with self.process, suppress(OSError):
            stream = self.process.stderr
            while stream is not None and (chunk := os.read(stream.fileno(), 4096)):
                self._words = (self._words + chunk)[:_WORDS_MAX]

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False when it still runs."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def explain(self) -> str:
        """End it, and return why it did not serve."""
        if not self.wait(1.0):
            with suppress(PermissionError):  # sudo runs as root; it ends with the socket
                self.process.kill()
            self.wait(1.0)
        return self._words.decode("utf-8", "replace").strip() or "the agent did not start"


class Starter:
    """Connects to agents, starting them where needed."""

    def __init__(
        self, directory: Path, transport: Transport, options: AgentOptions, patience: Patience
    ) -> None:
        if len(str(directory / "4294967295.sock")) > _PATH_MAX:
            raise ValueError(f"{directory} is too long a path for unix sockets; choose a shorter runtime_dir")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._transport = transport
        self._options = options
        self._started: dict[int, Started] = {}
        self._patience = patience

    def connect(self, owner: Owner) -> tuple[Connection, Hello]:
        """A greeted connection.

        Raises Refused, Unavailable.
        """
        self._patience.demand(owner.uid)
        with suppress(_Nobody):
            return self._greeted(owner)
        argv = self._transport.argv(owner)
        with self._locked(owner.uid):
            with suppress(_Nobody):
                return self._greeted(owner)  # somebody else was quicker
            return self._start(owner, argv)

    def stop(self) -> None:
        """Ask the agents started here to end after what they are doing, and wait for that a while."""
        for uid, started in list(self._started.items()):
            if not started.wait(0):
                with suppress(_Nobody, Unavailable, Refused, AgentError, NotSent, Lost):
                    self._end(uid)
                started.wait(HELLO_S)
        self._started.clear()

    def _end(self, uid: int) -> None:
        with closing(self._open(uid)) as connection:
            self._hello(connection)
            connection.call({"verb": "quit"}, HELLO_S)

    def _path(self, uid: int, kind: str) -> str:
        return str(self._directory / f"{uid}.{kind}")

    @contextmanager
    def _locked(self, uid: int) -> Iterator[None]:
        lock = os.open(self._path(uid, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _start(self, owner: Owner, argv: list[str]) -> tuple[Connection, Hello]:
        with self._bound(self._path(owner.uid, "sock")) as listener:
            try:
                started = Started(argv, listener)
            except OSError as error:
                raise Unavailable("agent", f"{argv[0]} cannot be run: {error.strerror}") from error
        self._started[owner.uid] = started
        try:
            return self._greeted(owner)
        except _Nobody as nobody:
            raise Unavailable("agent", started.explain()) from nobody
        except Unavailable:
            started.explain()
            raise

    @staticmethod
    def _bound(path: str) -> socket.socket:
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            Path(path).chmod(0o600)
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise Unavailable("agent", f"its socket cannot be made: {error}") from error
        return listener

    def _open(self, uid: int) -> Connection:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(HELLO_S)
        try:
            peer.connect(self._path(uid, "sock"))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            peer.close()
            raise _Nobody from error
        except OSError as error:
            peer.close()
            raise Unavailable("agent", f"it takes no connections: {error}") from error
        return Connection(peer)

    def _greeted(self, owner: Owner) -> tuple[Connection, Hello]:
        connection = self._open(owner.uid)
        try:
            hello = self._hello(connection)
            self._demand(owner, hello)
        except Lost as lost:
            connection.close()
            if not lost.timed_out:
                raise _Nobody from lost
            self._patience.lost(owner.uid)
            raise Unavailable("agent", f"the agent of {owner.username} does not greet") from lost
        except (NotSent, ValidationError) as error:
            connection.close()
            raise _Nobody from error
        except Exception:
            connection.close()
            raise
        return connection, hello

    def _hello(self, connection: Connection) -> Hello:
        request: dict[str, object] = {"verb": "hello", "settings": self._options.model_dump()}
        return Hello.model_validate(connection.call(request, HELLO_S)[0])

    def _demand(self, owner: Owner, hello: Hello) -> None:
        """Is it the right one?

        Raises Refused where machine and directory disagree on who the user is.
        """
        if hello.uid != owner.uid:
            raise Unavailable("agent", f"asked for uid {owner.uid}, answered by uid {hello.uid}")
        if self._transport.checks_name and hello.username != owner.username:
            reason = f"uid {owner.uid} has another name on the submit host; ask an administrator"
            raise Refused({f"user {owner.username}": reason})
