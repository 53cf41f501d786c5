"""One slapd for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .slapd import Slapd, running


@pytest.fixture(scope="session")
def slapd() -> Iterator[Slapd]:
    with running() as server:
        yield server
