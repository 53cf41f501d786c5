"""Both doors to the real Slurm: the same job by sbatch and by slurmrestd, and none lost or doubled."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from sciserver_hpc.agents import AgentOptions, SocketAgents, SudoTransport
from sciserver_hpc.devcluster.mounts import AGENT
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.scheduling import (
    Owner,
    Payload,
    Submission,
    SubmitOutcome,
    Verdict,
    mark,
    uuid_of,
)

from .conftest import Cluster

TELL = """#!/bin/bash
{
    env -0 | tr '\\n\\0' ' \\n'
    ulimit -a
    ulimit -Ha
    umask
    nice
    pwd
    readlink /proc/$$/fd/0
} >seen.new
mv seen.new seen
"""


@dataclass(frozen=True)
class Doors:
    """An agent of one user for each way to hand jobs over."""

    agents: dict[str, SocketAgents]
    owner: Owner
    root: Path
    run: Callable[..., str]
    """A command as somebody who sees all jobs."""

    def job(self, *more: str, script: str = TELL, **changed: str) -> Submission:
        uuid = uuid4().hex
        folder = f"{self.root}/{uuid}"
        asked = {
            "job-name": mark("doors", uuid),
            "chdir": folder,
            "output": f"{folder}/.sciserver/slurm-%j.out",
            "export-file": f"{folder}/.sciserver/environment",
            "partition": "batch",
            "qos": "normal",
            "time": "7",
            "nodes": "1",
            "ntasks": "2",
            "cpus-per-task": "2",
            "mem": "300M",
        } | {name.replace("_", "-"): value for name, value in changed.items()}
        options = [f"--{name}={value}" for name, value in asked.items()]
        return Submission(
            uuid=uuid,
            mark=mark("doors", uuid),
            root=str(self.root),
            folder=uuid,
            files=(Payload(path=".sciserver/environment", text="LANG=C.UTF-8\0"),),
            options=(*options, "--no-requeue", "--open-mode=append", *more),
            script=script,
        )

    def submit(self, door: str, *jobs: Submission) -> list[SubmitOutcome]:
        return self.agents[door].of(self.owner).submit(jobs)

    def both(self, *more: str, **changed: str) -> dict[str, tuple[Submission, SubmitOutcome]]:
        jobs = {door: self.job(*more, **changed) for door in self.agents}
        return {door: (job, self.submit(door, job)[0]) for door, job in jobs.items()}

    def pid(self, door: str) -> int:
        found = re.search(r"pid (\d+)", self.agents[door].ping(self.owner))
        assert found
        return int(found[1])

    def slurmrestds(self) -> list[int]:
        """Children of the agent that uses slurmrestd."""
        found = []
        for task in Path(f"/proc/{self.pid('slurmrestd')}/task").iterdir():
            with suppress(OSError):  # threads come and go
                found += [int(child) for child in (task / "children").read_text().split()]
        return found

    def queued(self) -> Counter[str]:
        """Jobs of ours that Slurm has, by the uuid in their name."""
        names = self.run("squeue", "-h", "-a", "-t", "all", "-o", "%j", "-u", self.owner.username)
        return Counter(uuid for name in names.splitlines() if (uuid := uuid_of(name)))


def _doors(cluster: Cluster, directory: Path) -> Doors:
    """Agents of alice, with a place for her jobs."""
    uid, gid = (int(cluster.root("id", flag, "alice")) for flag in ("-u", "-g"))
    root = cluster.state.shared / "home" / "alice" / "doors"
    root.mkdir(exist_ok=True)
    os.chown(root, uid, gid)
    transport = SudoTransport(program=cluster.state.src / AGENT)  # alice may not be able to read the checkout
    agents = {
        door: SocketAgents(directory / door, transport, AgentOptions(submit_through=door))
        for door in ("sbatch", "slurmrestd")
    }
    return Doors(agents, Owner(username="alice", uid=uid, gid=gid), root, cluster.root)


@pytest.fixture
def doors(cluster: Cluster, tmp_path: Path) -> Iterator[Doors]:
    """Both doors, used by nobody else."""
    made = _doors(cluster, tmp_path)
    yield made
    rows = cluster.root("squeue", "-h", "-a", "-u", "alice", "-o", "%A %j").splitlines()
    left = [row.partition(" ")[0] for row in rows if " doors." in row]
    if left:
        cluster.root("scancel", *left)
    for agents in made.agents.values():
        agents.close()


def test_the_door_is_open(doors: Doors) -> None:
    assert doors.agents["slurmrestd"].of(doors.owner).door() == ""
    assert len(doors.slurmrestds()) == 1


_MOVING = re.compile(
    r"JobState|Reason|.*Time$|LastSchedEval|Scheduler|.*NodeList|BatchHost|NumNodes|Priority|.*Sid|TRES|JobId"
    r"|ArrayJobId|ArrayTaskId|NodeAddr|ExitCode|Dependency$"
)
"""Fields that tell how far a job is, not what was asked."""


def fields(doors: Doors, job: Submission, outcome: SubmitOutcome) -> dict[str, str]:
    """What Slurm knows of a job, with its own numbers made alike."""
    assert outcome.verdict is Verdict.ACCEPTED, outcome.message
    shown = doors.run("scontrol", "show", "job", str(outcome.slurm_id)).partition("\n\n")[0]
    text = shown.replace(job.uuid, "UUID").replace(str(outcome.slurm_id), "ID")
    return {name: value for name, value in re.findall(r"(\S+?)=(\S*)", text) if not _MOVING.fullmatch(name)}


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--array=0-3%2",),
        ("--dependency=afterany:1", "--kill-on-invalid-dep=yes"),
        ("--array=1,3,5", "--dependency=afterok:1", "--kill-on-invalid-dep=yes"),
    ],
)
def test_slurm_is_asked_for_the_same(doors: Doors, more: tuple[str, ...]) -> None:
    found = {door: fields(doors, *handed) for door, handed in doors.both(*more).items()}
    assert found["slurmrestd"] == found["sbatch"]
    assert {
        "TimeLimit",
        "NumCPUs",
        "CPUs/Task",
        "MinCPUsNode",
        "WorkDir",
        "StdIn",
        "StdOut",
        "Requeue",
    } <= set(found["sbatch"])


def test_a_dependency_holds_a_job_back_by_either_door(doors: Doors) -> None:
    [first] = doors.submit("sbatch", doors.job(script="#!/bin/sh\nsleep 600\n"))
    assert first.slurm_id
    for _, outcome in doors.both(
        f"--dependency=afterok:{first.slurm_id}", "--kill-on-invalid-dep=yes"
    ).values():
        shown = doors.run("scontrol", "show", "job", str(outcome.slurm_id))
        assert f"afterok:{first.slurm_id}" in shown
        assert "KillOInInvalidDependent=Yes" in shown


OWN_WORDS = {"SLURM_JOB_NAME", "SLURM_OPEN_MODE", "SLURM_JOB_DEPENDENCY"}
"""slurmrestd sets these by itself; sbatch forgets them where an --export-file is given."""

_OF_THE_NODE = re.compile(
    r"HOSTNAME|SLURMD_NODENAME|SLURM_(JOB_?ID|ARRAY_JOB_ID|.*NODELIST|TASK_PID|TOPOLOGY_ADDR|JOB_(START|END)_TIME)"
)


@pytest.mark.parametrize("more", [(), ("--array=4",), ("--dependency=afterany:1",)])
def test_the_job_sees_the_same_environment_and_limits(doors: Doors, more: tuple[str, ...]) -> None:
    told = {door: seen(doors, job) for door, (job, _) in doors.both(*more).items()}
    assert told["slurmrestd"] == told["sbatch"]
    assert "SLURM_UMASK" not in told["sbatch"]
    assert "0077" in told["sbatch"]


def seen(doors: Doors, job: Submission) -> list[str]:
    """What a job found around it, but for what differs from node to node."""
    file = doors.root / job.folder / "seen"
    assert wait(file.exists, 90)
    lines = file.read_text().replace(job.uuid, "UUID").splitlines()
    names = [line.partition("=")[0] for line in lines]
    kept = [n not in OWN_WORDS and not _OF_THE_NODE.fullmatch(n) for n in names]
    return sorted(line for line, keep in zip(lines, kept, strict=True) if keep)


@pytest.mark.parametrize(
    "changed",
    [
        {"partition": "nix"},
        {"qos": "nix"},
        {"account": "nix"},
        {"nodes": "99", "ntasks": "99"},
        {"mem": "99999999M"},
        {"time": "999999"},
        {"gres": "gpu:3"},
        {"array": "0-999999"},
        {"array": "5-1"},
    ],
    ids=str,
)
def test_a_refusal_has_the_same_words(doors: Doors, changed: dict[str, str]) -> None:
    said = {door: outcome for door, (_, outcome) in doors.both(**changed).items()}
    assert said["slurmrestd"].verdict is Verdict.REJECTED
    assert said["slurmrestd"].message == said["sbatch"].message


def test_one_killed_between_two_jobs_is_followed_by_another(doors: Doors) -> None:
    first = doors.job(script="#!/bin/sh\n")
    assert doors.submit("slurmrestd", first)[0].verdict is Verdict.ACCEPTED
    for pid in doors.slurmrestds():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    again = doors.job(script="#!/bin/sh\n")
    [outcome] = doors.submit("slurmrestd", again)
    # The signal may still be under way when the job is handed over.
    assert outcome.verdict in (Verdict.ACCEPTED, Verdict.UNKNOWN)
    found = doors.queued()
    assert found[first.uuid] == 1
    assert found[again.uuid] <= 1


def test_kills_during_submissions_neither_lose_nor_double_a_job(doors: Doors) -> None:
    jobs = [doors.job(script="#!/bin/sh\n", time="1") for _ in range(256)]
    outcomes: list[SubmitOutcome] = []
    kills = 0

    def work() -> None:
        for start in range(0, len(jobs), 32):
            outcomes.extend(doors.submit("slurmrestd", *jobs[start : start + 32]))

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        for pid in doors.slurmrestds():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                kills += 1
        thread.join(0.1)
    found = doors.queued()
    assert kills > 0
    assert {outcome.verdict for outcome in outcomes} <= {Verdict.ACCEPTED, Verdict.UNKNOWN, Verdict.NOT_TRIED}
    for outcome in outcomes:
        most, least = {Verdict.ACCEPTED: (1, 1), Verdict.UNKNOWN: (1, 0), Verdict.NOT_TRIED: (0, 0)}[
            outcome.verdict
        ]
        assert least <= found[outcome.uuid] <= most, outcome


def test_a_controller_that_is_deaf_leaves_a_doubt_and_no_second_job(cluster: Cluster, doors: Doors) -> None:
    job = doors.job(script="#!/bin/sh\n")
    assert doors.agents["slurmrestd"].of(doors.owner).door() == ""
    with cluster.part("slurmctld").frozen():
        [outcome] = doors.submit("slurmrestd", job)
    assert outcome.verdict is Verdict.UNKNOWN
    assert wait(lambda: doors.queued()[job.uuid] == 1, 60), "finding 1: it is queued although no answer came"


def test_an_agent_that_is_killed_leaves_none_behind(doors: Doors) -> None:
    assert doors.agents["slurmrestd"].of(doors.owner).door() == ""
    left = doors.slurmrestds()
    os.kill(doors.pid("slurmrestd"), signal.SIGKILL)
    assert left
    assert wait(lambda: not any(_runs(pid) for pid in left), 30)


def _runs(pid: int) -> bool:
    """Zombies do not; whoever adopted one may leave it so."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
