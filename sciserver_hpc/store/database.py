"""One transaction per call, or one around several calls of a thread."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite

from ..domain.errors import Unavailable
from .engine import TIMEOUT_S, WRITES
from .failures import translated


class Database:
    """An engine, and the transaction each thread is in.

    Every block raises Unavailable, Conflict or Invalid; nothing of SQLAlchemy. `timeout_s`: how long a writer
    waits for the other threads of this process that write.
    """

    def __init__(self, engine: Engine, timeout_s: float = TIMEOUT_S) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._thread = threading.local()
        self._turn = threading.Lock()
        self._timeout_s = timeout_s
        self._sqlite = engine.dialect.name == "sqlite"
        _forget_after_fork(engine)

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT, which both engines spell alike."""
        return sqlite.insert(table) if self._sqlite else postgresql.insert(table)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Around several calls; a block within a block is a savepoint."""
        outer = self._current()
        with ExitStack() as stack:
            with translated():
                if outer is not None:
                    stack.enter_context(outer.begin_nested())
                else:
                    stack.callback(setattr, self._thread, "connection", None)
                    self._thread.connection = stack.enter_context(self._begin(writes=True))
            yield  # outside `translated`: what the caller raises here is the caller's
            with translated():
                stack.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with."""
        with self._joined(writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection to write with: on SQLite it holds the write lock from the start."""
        with self._joined(writes=True) as connection:
            yield connection

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()

    def _current(self) -> Connection | None:
        return getattr(self._thread, "connection", None)

    @contextmanager
    def _joined(self, *, writes: bool) -> Iterator[Connection]:
        outer = self._current()
        with translated():
            if outer is not None:
                yield outer
                return
            with self._begin(writes=writes) as connection:
                yield connection

    def _begin(self, *, writes: bool) -> AbstractContextManager[Connection]:
        if not writes:
            return self.engine.begin()
        return self._one_writer() if self._sqlite else self._writer.begin()

    @contextmanager
    def _one_writer(self) -> Iterator[Connection]:
        """Threads queue here for the one write lock: SQLite's own waiting is sleep of up to 100 ms a try."""
        if not self._turn.acquire(timeout=self._timeout_s):
            raise Unavailable("database", "other writers do not come to an end")
        try:
            with self._writer.begin() as connection:
                yield connection
        finally:
            self._turn.release()


def _forget_after_fork(engine: Engine) -> None:
    """A forked child must not talk over its parent's connections: it drops them unclosed."""
    known = weakref.ref(engine)

    def forget() -> None:
        mine = known()
        if mine is not None:
            mine.dispose(close=False)

    os.register_at_fork(after_in_child=forget)
