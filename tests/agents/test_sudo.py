"""The sudo transport. What sudoers allows the service account is tested with the development cluster."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.agents import AgentOptions, SocketAgents, SudoTransport
from sciserver_hpc.domain.errors import AgentError, Refused, Unavailable
from sciserver_hpc.domain.scheduling import Owner, Verdict

from .conftest import make_job

needs_root = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("sudo"), reason="only root may sudo to anybody without a password"
)


def person(username: str) -> Owner:
    entry = pwd.getpwnam(username)
    return Owner(username=username, uid=entry.pw_uid, gid=entry.pw_gid)


@pytest.fixture
def program(place: Path) -> Path:
    """The agent where everybody may read it, as when installed."""
    place.chmod(0o711)
    return shutil.copytree(SudoTransport().program, place / "lib" / "agent")


@pytest.fixture
def sudo_agents(place: Path, program: Path) -> Iterator[SocketAgents]:
    agents = SocketAgents(place / "run", SudoTransport(program=program), AgentOptions(min_uid=0))
    yield agents
    agents.close()


@needs_root
def test_the_agent_acts_as_the_other_user(sudo_agents: SocketAgents, root: Path) -> None:
    nobody = person("nobody")
    assert f"agent of nobody answers as uid {nobody.uid}" in sudo_agents.ping(nobody)
    root.chmod(0o700)
    with pytest.raises(AgentError) as caught:
        sudo_agents.of(nobody).listing(str(root), "")
    assert caught.value.reason == "denied"


@needs_root
def test_machine_and_directory_must_agree_on_the_name(sudo_agents: SocketAgents) -> None:
    mallory = person("nobody").model_copy(update={"username": "mallory"})
    with pytest.raises(Refused, match="another name"):
        sudo_agents.ping(mallory)


@needs_root
def test_an_agent_never_becomes_root(sudo_agents: SocketAgents) -> None:
    with pytest.raises(Unavailable, match="never runs as root"):
        sudo_agents.ping(person("root"))


@needs_root
def test_unknown_uids_are_unavailable(sudo_agents: SocketAgents) -> None:
    with pytest.raises(Unavailable, match="unknown user"):
        sudo_agents.ping(Owner(username="ghost", uid=4_000_000, gid=4_000_000))


@pytest.mark.cluster
def test_each_person_of_the_directory_has_an_agent_of_their_own(sudo_agents: SocketAgents) -> None:
    answers = [sudo_agents.ping(person(name)) for name in ("alice", "bob")]
    assert len({answer.rpartition("pid ")[2] for answer in answers}) == 2
    assert all(f"agent of {name}" in answer for name, answer in zip(("alice", "bob"), answers, strict=True))


@pytest.mark.cluster
def test_the_real_sbatch_is_understood(sudo_agents: SocketAgents, root: Path) -> None:
    alice = person("alice")
    os.chown(root, alice.uid, alice.gid)
    agent = sudo_agents.of(alice)
    common = ("--partition=batch", "--time=1", "--hold", f"--output={root}/out", "--job-name=agent-test")
    good = make_job(root, options=common)
    assert "to start at" in agent.test_only(good)
    bad = make_job(root, options=("--partition=none", *common[1:]))
    with pytest.raises(Refused, match="nvalid partition"):
        agent.test_only(bad)
    accepted, rejected = agent.submit([good, bad])
    assert (accepted.verdict, rejected.verdict) == (Verdict.ACCEPTED, Verdict.REJECTED)
    assert accepted.slurm_id
    agent.cancel([accepted.slurm_id])
    agent.cancel([accepted.slurm_id, 67_000_000])
