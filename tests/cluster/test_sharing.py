"""A grant on a volume, from the API to what a process of the other person can do on the shared filesystem."""

from __future__ import annotations

import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.errors import Refused
from sciserver_hpc.domain.states import JobState

from .conftest import Cluster
from .web import Web

PATIENCE = 150
NAME = "Storage/alice/persistent"
VOLUME = {"kind": "user_volume", "name": NAME}
IN_A_JOB = f"/home/idies/workspace/{NAME}"
Run = Callable[..., subprocess.CompletedProcess[str]]


class Shared:
    """alice's volume with a folder of this test's own in it: `data`, which holds a word."""

    def __init__(self, cluster: Cluster, run_as: Run) -> None:
        self.cluster = cluster
        self.alice = Web.login(cluster, "alice")
        self.run_as = run_as
        self.folder = f"test-{uuid4().hex}"
        self.path = cluster.state.shared / "storage" / "alice" / "persistent" / self.folder
        self.inside = f"{IN_A_JOB}/{self.folder}"
        self("alice", f"mkdir {self.path} && echo star > {self.path}/data", ok=True)

    def __call__(self, who: str, command: str, *, ok: bool | None = None) -> str:
        """Run a command as somebody; what it printed. ok: it has to succeed, or to fail."""
        done = self.run_as(who, ["/bin/sh", "-c", command])
        assert ok is None or (done.returncode == 0) is ok, (command, done.stdout, done.stderr)
        return done.stdout

    def may(self, who: str, command: str) -> bool:
        return bool(self.run_as(who, ["/bin/sh", "-c", command]).returncode == 0)

    def reads(self, who: str) -> bool:
        return self.may(who, f"cat {self.path}/data")

    def writes(self, who: str) -> bool:
        return self.may(who, f"echo >> {self.path}/by-{who}")

    def grant(self, kind: str, name: str, *actions: str) -> None:
        body = {"resource": VOLUME, "subject": {"kind": kind, "name": name}, "actions": actions}
        answer = self.alice("POST", "/grants", json=body)
        assert answer.status_code == 201, answer.text

    def revoke(self, kind: str, name: str) -> None:
        body = {"resource": VOLUME, "subject": {"kind": kind, "name": name}}
        answer = self.alice("POST", "/grants/revoke", json=body)
        assert answer.status_code == 200, answer.text

    def applied(self) -> dict[str, Any]:
        answer = self.alice("GET", "/grants/applied", params={"resource": f"user_volume:{NAME}"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def settle(self) -> None:
        """Until the disk followed."""

        def there() -> bool:
            found = self.applied()
            return all(one["state"] == "applied" for one in [found["volume"], *found["grants"]])

        assert wait(there, PATIENCE, pause=0.5), self.applied()

    def close(self) -> None:
        """Nothing is shared any more, and the folder goes, whoever made what is in it."""
        for one in self.alice("GET", "/grants", params={"resource": f"user_volume:{NAME}"}).json()["grants"]:
            self.alice("DELETE", f"/grants/{one['id']}")
        self.settle()
        self.cluster.root("rm", "-rf", str(self.path))
        self.alice.close()


@pytest.fixture
def shared(cluster: Cluster, run_as: Run, client_of: Callable[[str], Client]) -> Iterator[Shared]:
    for who in ("alice", "bob", "carol"):
        client_of(who)  # they log in, so that they are known and have their volumes
    shared = Shared(cluster, run_as)
    yield shared
    shared.close()


def test_a_read_grant_reaches_jobs_and_ends_for_the_running_one(
    shared: Shared, client_of: Callable[[str], Client]
) -> None:
    bob = client_of("bob")
    assert not shared.reads("bob")
    shared.grant("user", "bob", "read")
    shared.settle()
    # What a person may is remembered for a moment.
    assert wait(lambda: NAME in {one.volume for one in bob.volumes()}, PATIENCE, pause=0.5)
    data, volumes = shlex.quote(f"{shared.inside}/data"), [{"volume": NAME}]
    look = f"cat {data}; touch {shared.inside}/mine 2>&1 || echo refused; touch {data} 2>&1 || echo refused"
    job = bob.wait(bob.submit_shell(look, volumes=volumes).id, timeout=PATIENCE, poll=1)
    assert job.state is JobState.SUCCEEDED, job.sentence
    words = bob.log(job.id).text.split()
    assert (words[0], words.count("refused")) == ("star", 2)
    assert (shared.reads("bob"), shared.writes("bob"), shared.reads("carol")) == (True, False, False)

    watch = f"cat {data} && echo begun; while cat {data} > /dev/null; do sleep 0.5; done; echo closed"
    running = bob.submit_shell(watch, volumes=volumes)
    assert wait(lambda: "begun" in bob.log(running.id).text, PATIENCE, pause=0.5)
    shared.revoke("user", "bob")
    ended = bob.wait(running.id, timeout=PATIENCE, poll=1)
    assert "closed" in bob.log(running.id).text, ended.sentence
    shared.settle()
    assert not shared.reads("bob")
    again = bob.request(kind="shell", command="true", volumes=volumes)
    with pytest.raises(Refused, match="no grant to read"):
        bob.submit(again)
    lines = shared.alice("GET", "/audit", params={"resource": f"user_volume:{NAME}"}).json()["entries"]
    told = [line["detail"] for line in lines if line["who"] == "the broker"]
    assert told[0].startswith("removed bob; ") and told[1].startswith("added bob; ")


def test_a_group_of_the_portal_follows_its_members(shared: Shared, cluster: Cluster) -> None:
    group = f"team-{uuid4().hex[:8]}"
    carol = Web.login(cluster, "carol")
    assert shared.alice("POST", "/groups", json={"name": group}).status_code == 201
    invited = {"member": {"kind": "user", "name": "carol"}}
    assert shared.alice("POST", f"/groups/{group}/invite", json=invited).status_code < 300
    shared.grant("portal_group", group, "read", "write")
    shared.settle()
    assert not shared.reads("carol")
    assert carol("POST", f"/groups/{group}/accept").status_code < 300
    assert wait(lambda: shared.writes("carol"), PATIENCE, pause=0.5), shared.applied()
    assert shared.may("alice", f"cat {shared.path}/by-carol")
    assert carol("POST", f"/groups/{group}/leave").status_code < 300
    assert wait(lambda: not shared.reads("carol"), PATIENCE, pause=0.5), shared.applied()
    assert shared.alice("DELETE", f"/groups/{group}").status_code < 300
    carol.close()


def test_a_group_of_the_directory_is_a_unix_group(shared: Shared) -> None:
    shared.grant("group", "astro", "read")
    shared.settle()
    assert (shared.reads("bob"), shared.writes("bob"), shared.reads("carol")) == (True, False, False)
    acl = shared("alice", f"getfacl -cp {shared.path}/data", ok=True)
    assert "group:astro:r--" in acl
    shared.revoke("group", "astro")
    shared.settle()
    assert not shared.reads("bob")


def test_a_large_volume_is_shared_in_the_background_whatever_dies(shared: Shared, cluster: Cluster) -> None:
    count = 100_000
    make = f"cd {shared.path} && mkdir many && cd many && seq {count} | xargs touch"
    shared("alice", make, ok=True)
    broker = cluster.part("broker")
    shared.grant("user", "bob", "read")
    begun = {"applying", "applied"}
    assert wait(lambda: shared.applied()["volume"]["state"] in begun, PATIENCE, pause=0.1)
    broker.kill()
    for agent in cluster.agents_of("alice"):
        agent.send(signal.SIGKILL)
    broker.start()
    shared.settle()
    assert shared.applied()["volume"]["seen"] >= count
    unreadable = f"find {shared.path} -type f ! -readable | wc -l"
    assert shared("bob", unreadable, ok=True).strip() == "0"
    shared.revoke("user", "bob")
    shared.settle()
    found = shared("alice", f"getfacl -R -cp {shared.path} | grep -c :bob: || true", ok=True)
    assert found.strip() == "0"


def test_what_lies_beside_the_volume_stays_closed(shared: Shared, cluster: Cluster) -> None:
    beside = cluster.state.shared / "storage" / "alice" / f"private-{uuid4().hex}"
    shared("alice", f"mkdir -m 700 {beside} && echo secret > {beside}/data", ok=True)
    shared("alice", f"ln -s {beside} {shared.path}/link", ok=True)
    shared.grant("user", "bob", "read", "write")
    shared.settle()
    assert shared.reads("bob")
    for path in (beside / "data", shared.path / "link" / "data"):
        assert not shared.may("bob", f"cat {path}")
    assert not shared.may("bob", f"ls {beside}")
    assert not shared.may("bob", f"ls {beside.parent}")
    shared("alice", f"rm -r {beside}", ok=True)
