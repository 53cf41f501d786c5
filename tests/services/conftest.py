"""The world, fresh for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.store import migrate

from .world import World


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its schema, to copy: migrations take longer than most tests."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def world(tmp_path: Path, empty_database: Path) -> Iterator[World]:
    world = World(Path(shutil.copy(empty_database, tmp_path / "sciserver.db")))
    yield world
    world.store.close()
