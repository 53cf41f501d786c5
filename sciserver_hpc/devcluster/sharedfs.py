"""The shared filesystem: one directory tree that every node sees at the same path."""

from __future__ import annotations

from pathlib import Path

from .accounts import PEOPLE, owner
from .state import State, directory

ROOTS = {"Storage": "storage", "Temporary": "temporary"}
"""Root volume → its directory."""


def prepare(state: State) -> None:
    """Make the tree: everybody passes through, each person's directories are their own."""
    directory(state.shared)
    for name in (*ROOTS.values(), "data", "home"):
        directory(state.shared / name)
    for person in PEOPLE:
        ids = owner(state, person.username)
        for name in ROOTS.values():
            directory(state.shared / name / person.username, 0o711, ids)
        directory(state.shared / "home" / person.username, 0o711, ids)


def root(state: State, name: str) -> Path:
    """Where the root volume `name` lies."""
    return state.shared / ROOTS[name]
