"""Engines: how each database is connected to, so that both behave alike."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

WRITES = "sciserver_writes"
"""Execution option of a connection that is going to write."""


TIMEOUT_S = 5.0
"""How long to wait for a connection, or for another writer."""


def make_engine(url: str, password: str | None = None, *, timeout_s: float = TIMEOUT_S) -> Engine:
    """An engine for `url` (`sqlite:////path` or `postgresql+psycopg://…`); connects at first use.

    `timeout_s` bounds connecting and waiting for another writer. Raises ValueError for other databases.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError("the database URL cannot be read; write sqlite:////path/to/file.db") from error
    if password is not None:
        parsed = parsed.set(password=password)
    makers = {"sqlite": _sqlite, "postgresql": _postgresql}
    if parsed.get_backend_name() not in makers:
        raise ValueError("the database URL must start with sqlite:/// or postgresql+psycopg://")
    return makers[parsed.get_backend_name()](parsed, timeout_s)


def _sqlite(url: URL, timeout_s: float) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ValueError("the SQLite URL must name a file, as in sqlite:////var/lib/sciserver/sciserver.db")
    path = Path(url.database)
    engine = create_engine(url, connect_args={"timeout": timeout_s}, pool_timeout=timeout_s)

    @event.listens_for(engine, "do_connect")
    def private(*_: Any) -> None:
        _make_private(path)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        _use_wal(connection, timeout_s)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that starts as a reader and writes later fails at once when another wrote in between,
        # whatever the timeout (sqlite.org/isolation.html): writers take the lock first, and wait for it.
        writes = connection.get_execution_options().get(WRITES, False)
        # Straight to the driver: a statement of SQLAlchemy's costs more than the whole of a short read.
        statement = "BEGIN IMMEDIATE" if writes else "BEGIN"
        try:
            connection.connection.execute(statement)
        except sqlite3.Error as error:
            raise OperationalError(statement, None, error) from error

    return engine


def _use_wal(connection: Any, timeout_s: float) -> None:
    """Several may open a new file at once, and SQLite does not wait for the one that switches it to WAL."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)


def _make_private(path: Path) -> None:
    """The file is its owner's alone; the -wal and -shm files get the same mode from SQLite.

    An existing file is not opened: closing any descriptor of it would drop this process's locks
    (sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        found = path.stat()
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o600)


def _postgresql(url: URL, timeout_s: float) -> Engine:
    milliseconds = int(timeout_s * 1000)
    session = {
        "timezone": "UTC",
        "jit": "off",  # it would take 100 ms for queries of one, whose rows it overestimates
        # A plan kept for any owner and any states reads all jobs of a busy one to count those not over.
        "plan_cache_mode": "force_custom_plan",
        "lock_timeout": milliseconds,
        "statement_timeout": 4 * milliseconds,
        "idle_in_transaction_session_timeout": 12 * milliseconds,
    }
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=10,
        pool_timeout=timeout_s,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": max(2, round(timeout_s)),
            "tcp_user_timeout": milliseconds,
            "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
        },
    )
