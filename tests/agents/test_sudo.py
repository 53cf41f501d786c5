"""The sudo transport in the development cluster, as its service account, for the directory's people."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.agents import AgentOptions, SocketAgents, SudoTransport
from sciserver_hpc.domain.errors import Refused, Unavailable
from sciserver_hpc.domain.scheduling import Owner

pytestmark = pytest.mark.cluster


@pytest.fixture
def sudo_agents(place: Path) -> Iterator[SocketAgents]:
    agents = SocketAgents(place / "run", SudoTransport(), AgentOptions())
    yield agents
    agents.close()


def person(username: str) -> Owner:
    entry = pwd.getpwnam(username)
    return Owner(username=username, uid=entry.pw_uid, gid=entry.pw_gid)


def test_alice_is_alice(sudo_agents: SocketAgents) -> None:
    alice = person("alice")
    assert f"agent of alice answers as uid {alice.uid}" in sudo_agents.ping(alice)


def test_each_has_an_agent_of_their_own(sudo_agents: SocketAgents) -> None:
    pids = {sudo_agents.ping(person(name)).rpartition("pid ")[2] for name in ("alice", "bob")}
    assert len(pids) == 2


def test_nobody_may_become_root_or_the_service_itself() -> None:
    argv = SudoTransport().argv(Owner(username="root", uid=0, gid=0))
    assert os.spawnv(os.P_WAIT, argv[0], argv) != 0


def test_machine_and_directory_must_agree_on_the_name(sudo_agents: SocketAgents) -> None:
    alice = person("alice")
    with pytest.raises(Refused, match="another name"):
        sudo_agents.ping(alice.model_copy(update={"username": "mallory"}))


def test_unknown_uids_are_unavailable(sudo_agents: SocketAgents) -> None:
    with pytest.raises(Unavailable):
        sudo_agents.ping(Owner(username="ghost", uid=4_000_000, gid=4_000_000))
