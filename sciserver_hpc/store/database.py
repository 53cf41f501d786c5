"""One transaction per call, or one around several calls of a thread."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite

from .engine import WRITES
from .failures import translated


class Database:
    """An engine, and the transaction each thread is in.

    Every block raises Unavailable, Conflict or Invalid; nothing of SQLAlchemy.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._thread = threading.local()
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
        return (self._writer if writes else self.engine).begin()


def _forget_after_fork(engine: Engine) -> None:
    """A forked child must not talk over its parent's connections: it drops them unclosed."""
    known = weakref.ref(engine)

    def forget() -> None:
        mine = known()
        if mine is not None:
            mine.dispose(close=False)

    os.register_at_fork(after_in_child=forget)
