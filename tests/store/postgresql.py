"""A throw-away PostgreSQL: its own cluster in a temporary directory, a unix socket, no TCP."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import psycopg
import pytest

ADMIN = "tester"


def binaries() -> Path:
    """Debian's newest PostgreSQL, or the one in PATH; skips where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    in_path = shutil.which("initdb")
    if not found and in_path is None:
        pytest.skip("no PostgreSQL on this machine: apt-get install postgresql")
    return (found[-1] if found else Path(str(in_path))).parent


def unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root: the words that make a command run as somebody else."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


class Server:
    """The running server; each test that asks gets a database of its own."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._folder = folder

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(host=str(self._folder), user=ADMIN, dbname=database, autocommit=True)

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{uuid4().hex}"
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg://{ADMIN}@/{name}?host={self._folder}"

    def end_backends(self) -> None:
        """End every other connection, as a restart of the server would."""
        with self.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )


@contextmanager
def running() -> Iterator[Server]:
    """Start one, end it by its PID."""
    tools, prefix = binaries(), unprivileged()
    folder = Path(mkdtemp(prefix="sciserver-pg-"))  # a short path: a socket's may have 107 bytes
    try:
        if prefix:
            uid, gid = (int(word.partition("=")[2]) for word in prefix[1:3])
            os.chown(folder, uid, gid)
        data = folder / "data"
        initdb = [*prefix, f"{tools}/initdb", "-D", str(data), "-U", ADMIN, "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*initdb, "--no-sync", "--locale=C"], check=True, capture_output=True, cwd=folder, timeout=120
        )
        options = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*prefix, f"{tools}/postgres", "-D", str(data), *words], stdout=log, stderr=log, cwd=folder
            )
        try:
            ready = [f"{tools}/pg_isready", "-q", "-h", str(folder), "-t", "1"]
            for _ in range(600):
                if subprocess.run(ready, check=False, timeout=30).returncode == 0:
                    break
                if process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text())
            yield Server(folder, process)
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing in it is wanted any more
            process.wait(30)
    finally:
        shutil.rmtree(folder)
