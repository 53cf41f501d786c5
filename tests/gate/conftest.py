"""An authority, gates, and apps behind them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.session_ca import SessionCa, create

from .app import App
from .peers import UUID, Running, start_app

MakeGate = Callable[..., Running]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of one."""
    path = tmp_path_factory.mktemp("authority")
    create(path, datetime.now(UTC))
    return path


@pytest.fixture(scope="session")
def ca(authority: Path) -> SessionCa:
    """The same, opened."""
    return SessionCa(authority)


@pytest.fixture(scope="session")
def certificate(ca: SessionCa) -> str:
    """The gate's own."""
    return ca.issue(UUID, datetime.now(UTC))


@pytest.fixture
def make_gate(ca: SessionCa, authority: Path, certificate: str) -> Iterator[MakeGate]:
    """Gates that are not started yet; keywords are settings."""
    made: list[Running] = []

    def make(constants: dict[str, str] | None = None, **settings: Any) -> Running:
        place = Path(tempfile.mkdtemp(prefix="gate-"))  # short: paths of unix sockets are limited
        made.append(Running(place, ca, authority, certificate, constants or {}, **settings))
        return made[-1]

    yield make
    for running in made:
        running.close()


@pytest.fixture
def gate(make_gate: MakeGate) -> Running:
    """One, to be started with `app`."""
    return make_gate()


@pytest.fixture
def app(gate: Running) -> Iterator[App]:
    """Its app; both answer."""
    found = start_app(gate)
    gate.start()
    gate.ready()
    yield found
    found.close()
