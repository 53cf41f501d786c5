"""A fake portal, and a client that talks to it without ever sleeping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.client import Client
from tests.fakes.portal import TOKEN, FakePortal, serving


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of its own for every test, with nobody logged in."""
    for name in ("URL", "TOKEN", "TOKEN_FILE", "CA"):
        monkeypatch.delenv(f"SCISERVER_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def portal() -> Iterator[FakePortal]:
    """A portal without jobs."""
    fake = FakePortal()
    with serving(fake):
        yield fake


@pytest.fixture
def client(portal: FakePortal) -> Iterator[Client]:
    """alice's client; where it would wait, the portal's next event happens."""
    with Client(portal.url, TOKEN, sleep=portal.time_passes) as made:
        yield made
