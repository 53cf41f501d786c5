"""Every test that takes `url` or `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.store.migrate import upgrade
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock

from .postgresql import Server, running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sciserver.db"
    server: Server = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
def url(empty_url: str) -> str:
    """A database with all tables."""
    upgrade(empty_url)
    return empty_url


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(url: str, clock: FakeClock) -> Iterator[SqlStore]:
    store = SqlStore(url, now=clock.now)
    yield store
    store.close()
