"""A database with its schema, to copy: migrations take longer than most tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sciserver_hpc.store.migrate import upgrade


def new_database(path: Path) -> str:
    """Put a migrated SQLite file at `path`; return its URL."""
    path.write_bytes(_empty())
    return f"sqlite:///{path}"


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "empty.db")
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()
