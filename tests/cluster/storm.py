"""Many people submit at once while parts are killed and deaf, one after the other; then Slurm's books decide.

Seeded: the same seed gives the same jobs and the same faults, though not the same moments.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster import postgres
from sciserver_hpc.devcluster.namespace import Command
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.views import JobView

from .conftest import Cluster, kill

PATIENCE = 150
PEOPLE = ("alice", "bob", "carol", "dora")
COMMANDS = ("true", "sleep 1", "exit 3")
PARTS = ("slapd", "munged", "slurmdbd", "slurmctld", "slurmrestd", "portal", "broker", "nginx")

FAULTS = (
    "broker",
    "worker",
    "agent",
    "slurmctld",
    "slurmdbd",
    "slurmrestd",
    "nginx",
    "slapd",
    "munged",
    "database",
)
"""A controller is deaf and not killed: it forgets what it took last, and a second copy is right then. munged
is deaf too: Slurm requeues what it cannot start meanwhile, and that takes two minutes."""

ENDS = {
    "COMPLETED": JobState.SUCCEEDED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "TIMEOUT": JobState.TIMEOUT,
    "OUT_OF_MEMORY": JobState.OUT_OF_MEMORY,
    "NODE_FAIL": JobState.NODE_FAIL,
}
"""Slurm's word for how a job ended, and ours."""


@dataclass(frozen=True)
class Storm:
    """How much of it. `jobs`: of all clients together."""

    seed: int
    clients: int
    jobs: int
    faults: int


@dataclass(frozen=True)
class Damage:
    """What it did: sentences of jobs that Slurm never had, had more than once, or knows otherwise than we."""

    lost: list[str]
    doubled: list[str]
    untrue: list[str]
    faults: list[str]
    accepted: int
    took_s: float


def rage(cluster: Cluster, storm: Storm) -> Damage:
    """Submit, break and mend, wait for every end, and compare with accounting."""
    begun, luck = time.monotonic(), random.Random(storm.seed)
    run, over = f"{storm.seed}-{time.time():.0f}", threading.Event()
    with ExitStack() as stack:
        clients = [_client(cluster, PEOPLE[number % len(PEOPLE)]) for number in range(storm.clients)]
        for client in clients:
            stack.callback(client.close)
        with ThreadPoolExecutor(storm.clients) as pool:
            answers = [
                pool.submit(_submit, client, storm, number, run, over)
                for number, client in enumerate(clients)
            ]
            faults = [inflict(cluster, luck) for _ in range(storm.faults)]
            over.set()
            accepted = [job for answer in answers for job in answer.result()]
        for name in PARTS:
            cluster.part(name).start()
        jobs = ended(cluster, clients[: len(PEOPLE)], accepted)
    wait(lambda: not differing(cluster, jobs), 60, pause=2)
    lost, doubled, untrue = judged(cluster, jobs)
    return Damage(lost, doubled, untrue, faults, len(jobs), time.monotonic() - begun)


def _client(cluster: Cluster, username: str) -> Client:
    return Client.login(cluster.url, username, cluster.password(username), str(cluster.ca))


def _submit(client: Client, storm: Storm, number: int, run: str, over: threading.Event) -> list[JobView]:
    """One client's share, spread over the storm and hurried through when it is over."""
    commands = random.Random(storm.seed + number).choices(COMMANDS, k=storm.jobs // storm.clients)
    jobs = []
    for count, command in enumerate(commands):
        jobs.append(submit_stubbornly(client, command, f"{number}-{count}-{run}"))
        over.wait(2.5 * storm.faults / len(commands))
    return jobs


def submit_stubbornly(client: Client, command: str, key: str) -> JobView:
    """The same request under the same key until it is accepted."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return client.submit_shell(command, key=key)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def inflict(cluster: Cluster, luck: random.Random) -> str:
    """One fault, mended after a while; returns what it was."""
    name, pause = luck.choice(FAULTS), luck.uniform(0.5, 4)
    deaf = luck.random() < 0.4 or name in ("slurmctld", "munged")
    how = "killed"
    if name in ("worker", "agent"):
        found = cluster.part("portal").workers if name == "worker" else cluster.agents_of(luck.choice(PEOPLE))
        if found:
            kill(luck.choice(found))
        time.sleep(pause)
    elif name == "database":
        how = "away"
        with database_away(cluster):
            time.sleep(pause)
    elif deaf:
        how = "deaf"
        with cluster.part(name).frozen():
            time.sleep(pause)
    else:
        cluster.part(name).kill()
        time.sleep(pause)
        cluster.part(name).start()
    return f"{name} {how}, {pause:.1f} s"


@contextmanager
def database_away(cluster: Cluster) -> Iterator[None]:
    """PostgreSQL stopped, or SQLite's file held by another writer."""
    if postgres.chosen(cluster.state):
        with cluster.part("postgres").away():
            yield
        return
    file = cluster.state.root / "database" / "sciserver.db"
    with closing(sqlite3.connect(file, timeout=60)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.rollback()


def ended(cluster: Cluster, clients: Sequence[Client], jobs: Sequence[JobView]) -> list[JobView]:
    """All of them once they are over, whoever's they are; `clients`: one of each person at the least."""
    now = {job.id: job for job in jobs}
    first = min(job.accepted_at for job in jobs)

    def over() -> bool:
        hurry(cluster)
        for client in clients:
            now.update({job.id: job for job in client.jobs(after=first, page=500) if job.id in now})
        return all(job.final for job in now.values())

    assert wait(over, PATIENCE + len(jobs), pause=3), [job for job in now.values() if not job.final][:5]
    return list(now.values())


def hurry(cluster: Cluster) -> None:
    """Slurm lets what it requeued wait for two minutes; nobody here needs to."""
    for slurm_id in cluster.root("squeue", "-h", "-t", "PD", "-o", "%A %r", "-r").split("\n"):
        if "Begin" in slurm_id:
            argv = ["scontrol", "update", f"jobid={slurm_id.split()[0]}", "starttime=now"]
            cluster.namespace.run(Command(argv), timeout=30)  # it may just have started


def differing(cluster: Cluster, jobs: Sequence[JobView]) -> list[str]:
    """Where rows and accounting tell different stories."""
    return [line for kind in judged(cluster, jobs) for line in kind]


def judged(cluster: Cluster, jobs: Sequence[JobView]) -> tuple[list[str], list[str], list[str]]:
    """Of `jobs`, all over: those Slurm never had, has more than once, and knows otherwise."""
    accounted = cluster.accounted()
    lost, doubled, untrue = [], [], []
    for job in jobs:
        copies = accounted.get(job.uuid, [])
        line = f"job {job.id}: {job.state} as {job.slurm_id}, in accounting {copies}"
        if not copies:
            lost.append(line)
        elif len(copies) > 1:
            doubled.append(line)
        elif (copies[0].slurm_id, ENDS.get(copies[0].state)) != (job.slurm_id, job.state):
            untrue.append(line)
    return lost, doubled, untrue
