"""A portal for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The portal over a fresh database."""
    made = House(tmp_path)
    yield made
    made.close()
