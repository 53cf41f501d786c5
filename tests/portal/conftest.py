"""A portal for each test, and a browser for those that want one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from .cast import Cast
from .house import House
from .live import chromium, serving


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The portal over a fresh database."""
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def cast(house: House) -> Cast:
    """The portal with people, groups and things shared among them."""
    return Cast(house)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def url(house: House, tmp_path: Path) -> Iterator[str]:
    """Where the portal of this test answers."""
    with serving(house, tmp_path) as address:
        yield address
