"""What counts as use."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from sciserver_hpc.gate import activity
from sciserver_hpc.gate.activity import Activity, seconds_of
from sciserver_hpc.gate.connections import Connections
from sciserver_hpc.gate.settings import Settings
from sciserver_hpc.gate.usage import Usage

from .app import App, Request, answer
from .peers import SETTINGS

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HTTP = {"path": "/api/status", "since": "last_activity", "busy": "kernels_busy"}


class Time:
    """Two clocks that stand still until they are moved."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return 5000 + self.passed

    def time(self) -> float:
        return NOON.timestamp() + self.passed


class Processor(Usage):
    """Seconds as set."""

    def __init__(self) -> None:
        self.used: float | None = 0.0

    def cpu_s(self) -> float | None:
        return self.used


class World:
    """An app that answers `body`, and whoever looks at it."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.connections = Connections()
        self.processor = Processor()
        self.status, self.body = b"200 OK", b"{}"

    def watch(self, **idle: Any) -> Activity:
        """With these settings of `idle`."""
        nothing = {"http": None, "traffic": False, "file": False, "cpu_percent": None}
        settings = Settings(json.dumps(SETTINGS | {"idle": nothing | idle}))
        return Activity(settings, self.connections, self.processor)

    def say(self, peer: socket.socket, _request: Request) -> None:
        """The app's answer."""
        answer(peer, self.body, self.status)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="gate-") as place:
        monkeypatch.chdir(place)
        time = Time()
        monkeypatch.setattr(activity, "time", time)
        world = World(time)
        app = App(Path("use.sock"))
        app.handlers["/api/status"] = world.say
        yield world
        app.close()


def test_nothing_at_all_is_idleness_since_the_start(world: World) -> None:
    watched = world.watch()
    world.time.passed = 100
    watched.look()
    assert watched.idle_s() == 100


@pytest.mark.parametrize(
    ("body", "idle_s"),
    [
        ({"last_activity": (NOON + timedelta(seconds=70)).isoformat()}, 30),
        ({"last_activity": "2026-01-15T12:01:10.123456789Z"}, 30),
        ({"last_activity": "2026-01-15T13:01:10+01:00"}, 30),
        ({"last_activity": "2026-01-15T12:01:10"}, 30),
        ({"last_activity": "2026-01-15T12:01:10Z", "kernels_busy": 0}, 30),
        ({"last_activity": "2020-01-15T12:01:10Z"}, 100),
        ({"last_activity": "2036-01-15T12:01:10Z"}, 0),
        ({"kernels_busy": 2}, 0),
        ({"kernels_busy": True}, 0),
        ({"kernels_busy": False}, 100),
        ({"kernels_busy": "yes"}, 100),
        ({"last_activity": 1}, 100),
        ({"last_activity": "yesterday"}, 100),
        ([], 100),
        (None, 100),
    ],
)
def test_what_the_app_says(world: World, body: object, idle_s: float) -> None:
    watched = world.watch(http=HTTP)
    world.time.passed = 100
    world.body = json.dumps(body).encode()
    watched.look()
    assert watched.idle_s() == idle_s


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[" * 100_000, b"\xff", b'{"kernels_busy": 1', b"x" * (2 << 20)]
)
def test_an_app_that_cannot_be_understood_is_not_used(world: World, body: bytes) -> None:
    watched = world.watch(http=HTTP)
    world.time.passed = 100
    world.body = body
    watched.look()
    assert watched.idle_s() == 100


def test_an_error_of_the_app_is_no_use(world: World) -> None:
    watched = world.watch(http=HTTP)
    world.time.passed = 100
    world.status, world.body = b"500 Oh", b'{"kernels_busy": 1}'
    watched.look()
    assert watched.idle_s() == 100


def test_an_app_that_is_away_is_not_used(world: World) -> None:
    watched = world.watch(http=HTTP)
    world.time.passed = 100
    Path("use.sock").unlink()
    watched.look()
    assert watched.idle_s() == 100


def test_use_is_not_forgotten(world: World) -> None:
    watched = world.watch(http=HTTP)
    world.time.passed, world.body = 50, b'{"kernels_busy": 1}'
    watched.look()
    world.time.passed, world.body = 90, b'{"last_activity": "2026-01-15T12:00:10Z"}'
    watched.look()
    assert watched.idle_s() == 40


def test_the_file_an_app_touches(world: World) -> None:
    watched, deaf = world.watch(file=True), world.watch()
    world.time.passed = 100
    assert watched.idle_s() == 100
    Path("active").touch()
    os.utime("active", (NOON.timestamp() + 60,) * 2)
    assert (watched.idle_s(), deaf.idle_s()) == (40, 100)


@pytest.mark.parametrize(("used", "idle_s"), [(1.4, 30), (1.6, 0), (None, 30), (-5.0, 30)])
def test_processor_time_since_the_look_before(world: World, used: float | None, idle_s: float) -> None:
    """Five per cent of thirty seconds are a second and a half."""
    watched = world.watch(cpu_percent=5)
    world.processor.used = 1000.0
    watched.look()
    world.time.passed = 30
    world.processor.used = None if used is None else 1000.0 + used
    watched.look()
    assert watched.idle_s() == idle_s


def test_what_clients_send(world: World) -> None:
    watched, deaf = world.watch(traffic=True), world.watch()
    world.time.passed = 100
    cast(Any, world.connections)._last_heard = 5060
    assert (watched.idle_s(), deaf.idle_s()) == (40, 100)


@pytest.mark.parametrize(
    "text", ["", "now", "2026", "2026-13-01T00:00:00Z", "2026-01-15T12:00:00+99:00", "9" * 99]
)
def test_times_that_are_none(text: str) -> None:
    assert seconds_of(text) == 0
