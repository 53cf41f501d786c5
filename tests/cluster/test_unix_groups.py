"""A group of the portal as a Unix group: from the directory to what a member's job can do with files."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.errors import Refused
from sciserver_hpc.domain.states import JobState

from .conftest import Cluster
from .test_sharing import NAME, PATIENCE, Run, Shared
from .web import Web

VOLUMES = [{"volume": NAME}]
CACHED_S = 10
"""How long slurmctld keeps a list of groups here: GroupUpdateTime."""


class Team:
    """alice's group of the portal with carol in it, asked to be a Unix group, that may read her volume."""

    def __init__(self, shared: Shared, cluster: Cluster) -> None:
        self.shared = shared
        self.cluster = cluster
        self.name = f"team-{uuid4().hex[:8]}"
        self.unix = f"portal-{self.name}"
        self.carol = Web.login(cluster, "carol")
        self.alice("POST", "/groups", {"name": self.name})
        self.alice("POST", f"/groups/{self.name}/invite", {"member": {"kind": "user", "name": "carol"}})
        assert self.carol("POST", f"/groups/{self.name}/accept").status_code < 300
        shared.grant("portal_group", self.name, "read")
        self.alice("POST", f"/groups/{self.name}/unix", {"on": True})

    def alice(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.shared.alice(method, path, json=body)
        assert answer.status_code < 300, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def stands(self, on_files: str) -> bool:
        return bool(self.alice("GET", f"/groups/{self.name}/unix")["on_files"] == on_files)

    def members(self) -> list[str]:
        """As the machine has them."""
        done = self.shared.run_as("alice", ["getent", "group", self.unix])
        return sorted(filter(None, done.stdout.strip().rpartition(":")[2].split(",")))

    def acl(self) -> str:
        return self.shared("alice", f"getfacl -cp {self.shared.path}/data", ok=True)

    def named(self) -> bool:
        """Do the files name the group, and carol no more?"""
        found = self.acl()
        return f"group:{self.unix}:r--" in found and "user:carol:" not in found

    def close(self) -> None:
        self.shared.alice("DELETE", f"/groups/{self.name}")
        assert wait(lambda: not self.members(), PATIENCE, pause=0.5)
        self.carol.close()


@pytest.fixture
def team(cluster: Cluster, run_as: Run, client_of: Callable[[str], Client]) -> Iterator[Team]:
    for who in ("alice", "bob", "carol"):
        client_of(who)
    shared = Shared(cluster, run_as)
    made = Team(shared, cluster)
    yield made
    made.close()
    shared.close()


def job_reads(team: Team, carol: Client) -> bool:
    """Does a new job of carol's read the volume that it asked the portal for?"""
    command = f"cat {shlex.quote(f'{team.shared.inside}/data')}"
    job = carol.wait(carol.submit_shell(command, volumes=VOLUMES).id, timeout=PATIENCE, poll=1)
    return job.state is JobState.SUCCEEDED and carol.log(job.id).text.strip() == "star"


def own_job_says(team: Team) -> str:
    """What a job says that carol gave to Slurm herself, without the portal: `star`, or `refused`."""
    look = f"cat {shlex.quote(f'{team.shared.path}/data')} 2>/dev/null || echo refused"
    words = f"sbatch --wait --quiet --output=$out --wrap={shlex.quote(look)}"
    return team.shared("carol", f"out=$(mktemp -p .) && {words}; cat $out; rm $out").strip()


def test_a_members_job_reads_through_the_group_and_the_next_one_after_she_left_does_not(
    team: Team, client_of: Callable[[str], Client]
) -> None:
    carol = client_of("carol")
    assert wait(lambda: team.stands("group"), PATIENCE, pause=0.5), team.alice(
        "GET", f"/groups/{team.name}/unix"
    )
    assert team.members() == ["alice", "carol"]
    assert wait(team.named, PATIENCE, pause=0.5), team.acl()
    assert wait(lambda: own_job_says(team) == "star", PATIENCE, pause=CACHED_S), team.acl()
    assert job_reads(team, carol)
    assert team.shared.reads("carol") and not team.shared.reads("bob")

    member = {"member": {"kind": "user", "name": "carol"}}
    team.alice("POST", f"/groups/{team.name}/remove", member)
    with pytest.raises(Refused, match="no grant to read"):
        carol.submit(carol.request(kind="shell", command="true", volumes=VOLUMES))
    assert wait(lambda: team.members() == ["alice"], PATIENCE, pause=0.5)
    assert not team.shared.reads("carol")
    assert wait(lambda: own_job_says(team) == "refused", PATIENCE, pause=CACHED_S)
    assert f"group:{team.unix}:r--" in team.acl()


def test_while_the_directory_is_away_nobody_is_kept_in(team: Team, cluster: Cluster) -> None:
    """slapd deaf: carol cannot be taken out of the group, so files name its members again."""
    assert wait(lambda: team.stands("group"), PATIENCE, pause=0.5)
    assert wait(team.named, PATIENCE, pause=0.5), team.acl()
    gid = team.alice("GET", f"/groups/{team.name}/unix")["gid"]
    numbers = f"getfacl -cpn {team.shared.path}/data"
    with cluster.part("slapd").away():
        team.alice("POST", f"/groups/{team.name}/remove", {"member": {"kind": "user", "name": "carol"}})
        left = wait(
            lambda: f"group:{gid}:" not in cluster.root("/bin/sh", "-c", numbers), PATIENCE, pause=0.5
        )
    assert left, cluster.root("/bin/sh", "-c", numbers)
    assert wait(lambda: team.members() == ["alice"], PATIENCE, pause=0.5)
    assert wait(team.named, PATIENCE, pause=0.5), team.acl()


def test_not_wanted_any_more_files_name_members_again(team: Team) -> None:
    assert wait(lambda: team.stands("group"), PATIENCE, pause=0.5)
    assert wait(team.named, PATIENCE, pause=0.5), team.acl()
    team.alice("POST", f"/groups/{team.name}/unix", {"on": False})
    assert wait(lambda: "user:carol:r--" in team.acl(), PATIENCE, pause=0.5)
    assert team.shared.reads("carol")
    assert wait(lambda: not team.members(), PATIENCE, pause=0.5)
    assert team.shared.reads("carol") and "group:" not in team.acl().replace("group::", "")
