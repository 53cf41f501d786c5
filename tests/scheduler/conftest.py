"""The three worlds of the contract suite."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.agents import AgentOptions, SelfTransport, SocketAgents, SudoTransport
from sciserver_hpc.devcluster.sharedfs import root
from sciserver_hpc.devcluster.state import State
from sciserver_hpc.domain.scheduling import Owner
from sciserver_hpc.scheduler import LocalScheduler, SlurmCommands
from tests.fakes.clock import FakeClock
from tests.fakes.scheduler import FakeScheduler

from .worlds import World


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path: those of unix sockets are limited."""
    path = Path(tempfile.mkdtemp(prefix="sciserver-"))
    yield path
    shutil.rmtree(path)


def _owner(entry: pwd.struct_passwd) -> Owner:
    return Owner(username=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


@pytest.fixture
def fake() -> World:
    clock = FakeClock()
    broken = FakeScheduler(clock)
    broken.live_down = broken.accounting_down = True
    alice = Owner(username="alice", uid=2001, gid=2001)
    return World(FakeScheduler(clock), broken, alice, "/shared/alice", now=clock.now)


@pytest.fixture
def local(place: Path) -> Iterator[World]:
    """A real agent of whoever runs the tests."""
    me = _owner(pwd.getpwuid(os.getuid()))
    options = AgentOptions(min_uid=0, local_dir=str(place / "local"), local_slots=2)
    agents = SocketAgents(place / "run", SelfTransport(), options)
    deaf = SocketAgents(place / "deaf", SelfTransport(python=str(place / "missing")), options)
    volume = place / "volume"
    volume.mkdir()
    yield World(LocalScheduler(agents, me), LocalScheduler(deaf, me), me, str(volume))
    agents.close()
    deaf.close()


@pytest.fixture
def slurm(place: Path) -> Iterator[World]:
    """The development cluster's Slurm; jobs run as its alice."""
    state = State.from_environment()
    alice = _owner(pwd.getpwnam("alice"))
    conf = str(state.etc / "slurm" / "slurm.conf")
    transport = SudoTransport(program=state.src / "sciserver_hpc/agent")
    agents = SocketAgents(place / "run", transport, AgentOptions(slurm_conf=conf))
    volume = str(root(state, "Temporary") / "alice")
    broken = SlurmCommands(agents, bin_dir=str(place / "missing"), conf=conf)
    yield World(SlurmCommands(agents, conf=conf), broken, alice, volume, ("--partition=batch",))
    agents.close()


@pytest.fixture(params=["fake", "local", pytest.param("slurm", marks=pytest.mark.cluster)])
def world(request: pytest.FixtureRequest) -> World:
    """Each kind of scheduler in turn."""
    found: World = request.getfixturevalue(request.param)
    return found
