"""The cluster as tests see it. They run inside its mount namespace, as root: `./dev test` sees to that."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster import settings, slapd
from sciserver_hpc.devcluster.cluster import parts
from sciserver_hpc.devcluster.daemon import Daemon, start
from sciserver_hpc.devcluster.mounts import CHECKOUT
from sciserver_hpc.devcluster.namespace import Command, Namespace
from sciserver_hpc.devcluster.processes import Process, end, process, socket_holders, wait
from sciserver_hpc.devcluster.state import State
from sciserver_hpc.domain.scheduling import uuid_of
from tests.portal.live import chromium

if TYPE_CHECKING:
    from .web import Web


@dataclass(frozen=True)
class Part:
    """A daemon that tests may stop, kill and start again."""

    namespace: Namespace
    daemon: Daemon

    @property
    def process(self) -> Process | None:
        return self.namespace.records.live().get(self.daemon.name)

    def send(self, number: signal.Signals) -> None:
        found = self.process
        assert found, f"{self.daemon.name} is not running"
        found.send(number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        found = self.process
        assert found, f"{self.daemon.name} is not running"
        kill(found)

    @property
    def workers(self) -> list[Process]:
        """Its children."""
        found = self.process
        pids = Path(f"/proc/{found.pid}/task/{found.pid}/children").read_text().split() if found else []
        children = (process(self.daemon.name, int(pid)) for pid in pids)
        return [child for child in children if child]

    def stop(self) -> None:
        """End it in its own way."""
        found = self.process
        end([found] if found else [])

    def start(self) -> None:
        """Start it unless it answers."""
        start(self.namespace, self.daemon)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Alive but deaf, until the block is left."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Gone, until the block is left."""
        self.stop()
        try:
            yield
        finally:
            self.start()


def kill(victim: Process) -> None:
    """kill -9, and wait until it is gone."""
    victim.send(signal.SIGKILL)
    assert wait(lambda: not victim.alive, 10)


@dataclass(frozen=True)
class SlurmJob:
    """A job as accounting has it."""

    slurm_id: int
    state: str
    """Slurm's word, without who cancelled it."""


@dataclass(frozen=True)
class Cluster:
    """Where the running development cluster is and how to get in."""

    state: State
    namespace: Namespace

    @property
    def url(self) -> str:
        return settings.url(self.state)

    @property
    def ca(self) -> Path:
        return self.state.etc / "ca.pem"

    @property
    def samples(self) -> Path:
        return CHECKOUT / "containers" / "samples"

    def password(self, username: str) -> str:
        return slapd.password(self.state, username)

    def part(self, name: str) -> Part:
        """The daemon `name`: slapd, slurmctld, slurmd-n1, portal, broker, nginx …"""
        daemons = [part.daemon(self.namespace) for part in parts(self.state)]
        return next(Part(self.namespace, daemon) for daemon in daemons if daemon.name == name)

    def second(self, name: str) -> Part:
        """One more process of the same kind."""
        daemon = self.part(name).daemon
        return Part(self.namespace, replace(daemon, name=f"{name}-2", ready=lambda: True))

    def agents_of(self, username: str) -> list[Process]:
        """The processes behind the socket of a person's agent."""
        uid = int(self.root("id", "-u", username))
        return socket_holders(self.state.run / "sciserver" / "agents" / f"{uid}.sock")

    def root(self, *argv: str) -> str:
        """What a command says that root runs in the cluster."""
        return self.namespace.check(Command(argv), "test", timeout=60)

    def accounted(self) -> dict[str, list[SlurmJob]]:
        """Every job of the last hour by the uuid in its name: more than one where it was submitted twice.

        A job that Slurm requeued has one row for each start; the last one counts.
        """
        fields = "--format=JobIDRaw,State,JobName%200"
        rows = self.root("sacct", "-a", "-X", "-D", "-n", "-P", fields, "--starttime=now-1hour")
        found: dict[str, dict[int, SlurmJob]] = {}
        for slurm_id, state, name in (row.split("|", 2) for row in rows.splitlines()):
            job = SlurmJob(int(slurm_id), state.split()[0])
            found.setdefault(uuid_of(name) or "", {})[job.slurm_id] = job
        return {uuid: list(copies.values()) for uuid, copies in found.items()}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below this directory needs the cluster."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The running cluster that SCISERVER_DEV_STATE names."""
    assert os.environ.get("SCISERVER_DEV_STATE"), "no cluster: run these tests by ./dev test"
    state = State.from_environment()
    return Cluster(state, Namespace(state))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Its tests wait long: a page here follows what Slurm does."""
    expect.set_options(timeout=90_000)
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def client_of(cluster: Cluster) -> Iterator[Callable[[str], Client]]:
    """A logged-in client for a demo person, the same one for the whole session."""
    clients: dict[str, Client] = {}

    def of(username: str) -> Client:
        if username not in clients:
            password = cluster.password(username)
            clients[username] = Client.login(cluster.url, username, password, str(cluster.ca))
        return clients[username]

    yield of
    for client in clients.values():
        client.close()


@pytest.fixture(scope="session")
def run_as(cluster: Cluster) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run argv in the cluster as somebody, without a terminal: `run_as("alice", ["id"])`."""

    def run(username: str, argv: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
        home = cluster.state.shared / "home" / username
        directory = str(home) if home.exists() else "/"
        return cluster.namespace.run(Command(argv, user=username, directory=directory), text=text)

    return run


@pytest.fixture(scope="module")
def web_of(cluster: Cluster) -> Iterator[Callable[[str], Web]]:
    """Somebody logged in, once for the module."""
    from .web import Web

    known: dict[str, Web] = {}

    def of(username: str) -> Web:
        known.setdefault(username, Web.login(cluster, username))
        return known[username]

    yield of
    for web in known.values():
        web.close()
