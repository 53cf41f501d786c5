"""Slurm: slurmdbd, slurmctld, four slurmd on one host and slurmrestd, configured from `slurm_conf/`."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from . import cgroup, mariadb
from .accounts import REST, owner
from .daemon import Daemon, listens
from .namespace import Command, Namespace
from .processes import wait
from .state import State, directory
from .templates import SLURM, render

NODES = ("n1", "n2", "n3", "n4")
CPUS = 8
"""CPUs each node claims to have, whatever the machine has."""

CLUSTER = "dev"
ACCOUNTING_DATABASE = "slurm_acct"

Options = Mapping[str, str | int | Path]


def slurm_options(state: State, host: str, limits: Options) -> Options:
    """slurm.conf(5)'s global options; `limits` are those that enforce memory limits here."""
    return {
        "ClusterName": CLUSTER,
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmUser": "slurm",
        "SlurmctldPort": state.port("slurmctld"),
        "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
        "SlurmctldPidFile": state.run / "slurm" / "slurmctld.pid",
        "SlurmdPidFile": state.run / "slurmd-%n.pid",
        "StateSaveLocation": state.root / "slurm" / "ctld",
        "SlurmdSpoolDir": state.root / "slurm" / "spool-%n",
        "SlurmctldSyslogDebug": "quiet",
        "SlurmdSyslogDebug": "quiet",
        "AuthType": "auth/munge",
        "AuthAltTypes": "auth/jwt",
        "AuthAltParameters": f"jwt_key={state.secrets / 'slurm.jwt'}",
        "FirstJobId": first_job_id(state),
        "MaxArraySize": 10001,
        "MaxJobCount": 100000,
        "MinJobAge": 300,
        "MessageTimeout": 10,
        "SlurmdTimeout": 30,
        "KillWait": 5,
        "ReturnToService": 2,
        "PropagateResourceLimits": "NONE",
        "MpiDefault": "none",
        "MailProg": "/bin/true",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "SlurmdParameters": "config_overrides",
        "EnforcePartLimits": "ALL",
        "DefMemPerCPU": 512,
        "GroupUpdateTime": 10,
        "SchedulerType": "sched/backfill",
        "SchedulerParameters": "bf_interval=5",
        "PriorityType": "priority/multifactor",
        "PriorityWeightFairshare": 10000,
        "PriorityWeightAge": 1000,
        "PriorityWeightQOS": 1000,
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "localhost",
        "AccountingStoragePort": state.port("slurmdbd"),
        "AccountingStorageEnforce": "associations,limits,qos",
        "AccountingStoreFlags": "job_comment",
        **limits,
    }


def node_options(state: State, host: str, memory_mb: int) -> list[Options]:
    """One line per node: all on this host, each with a port of its own."""
    return [
        {
            "NodeName": node,
            "NodeHostname": host,
            "NodeAddr": "127.0.0.1",
            "Port": state.port(f"slurmd-{node}"),
            "CPUs": CPUS,
            "RealMemory": memory_mb,
            "State": "UNKNOWN",
        }
        for node in NODES
    ]


PARTITIONS: list[Options] = [
    {
        "PartitionName": "interactive", "Nodes": "ALL", "MaxTime": "08:00:00", "DefaultTime": "01:00:00",
        "PriorityTier": 10, "State": "UP",
    },
    {
        "PartitionName": "batch", "Nodes": "ALL", "Default": "YES", "MaxTime": "2-00:00:00",
        "DefaultTime": "01:00:00", "PriorityTier": 1, "State": "UP",
    },
]  # fmt: skip


def slurmdbd_options(state: State) -> Options:
    """slurmdbd.conf(5)'s options; MariaDB knows the Unix user by its socket, so there is no password."""
    return {
        "AuthType": "auth/munge",
        "AuthAltTypes": "auth/jwt",
        "AuthAltParameters": f"jwt_key={state.secrets / 'slurm.jwt'}",
        "DbdHost": "localhost",
        "DbdAddr": "127.0.0.1",
        "DbdPort": state.port("slurmdbd"),
        "SlurmUser": "slurm",
        "PidFile": state.run / "slurm" / "slurmdbd.pid",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "localhost",
        "StorageUser": "slurm",
        "StorageLoc": ACCOUNTING_DATABASE,
    }


def first_job_id(state: State) -> int:
    """Far from those of another cluster on this machine: job ids name cgroups, and jobs of two clusters with
    one id and one user would share theirs."""
    return int(state.fact("first_job_id", lambda: 1000 * (1 + secrets.randbelow(50_000)) + 1))


def node_memory_mb() -> int:
    """A quarter of the machine's memory, 2 GB at least: four nodes may not all be full at once."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return max(2048, total // 4)


def prepare(namespace: Namespace) -> None:
    """Render the configuration and make the daemons' directories."""
    state, slurm = namespace.state, owner(namespace.state, "slurm")
    host = socket.gethostname().partition(".")[0]
    constraint = cgroup.found()
    etc = state.etc / "slurm"
    options = slurm_options(state, host, constraint.slurm)
    nodes = node_options(state, host, node_memory_mb())
    State.write(
        etc / "slurm.conf",
        render(SLURM, "slurm.conf.j2", options=options, nodes=nodes, partitions=PARTITIONS),
    )
    State.write(etc / "cgroup.conf", render(SLURM, "cgroup.conf.j2", options=constraint.cgroup))
    State.write(
        etc / "slurmdbd.conf", render(SLURM, "slurmdbd.conf.j2", options=slurmdbd_options(state)),
        mode=0o600, owner=slurm,
    )  # fmt: skip
    directory(state.run / "slurm", 0o755, slurm)
    directory(state.root / "slurm")
    directory(state.root / "slurm" / "ctld", 0o700, slurm)
    for node in NODES:
        directory(state.root / "slurm" / f"spool-{node}")
    if not (state.secrets / "slurm.jwt").exists():
        State.write(state.secrets / "slurm.jwt", os.urandom(32).hex(), mode=0o600, owner=slurm)


def slurmdbd(namespace: Namespace) -> Daemon:
    """The accounting daemon."""
    state = namespace.state
    env = {"MYSQL_UNIX_PORT": str(mariadb.socket(state))}
    command = Command(["slurmdbd", "-D"], user="slurm", env=env)
    return Daemon("slurmdbd", command, lambda: listens(state.port("slurmdbd")), patience=60)


def slurmctld(namespace: Namespace) -> Daemon:
    """The controller."""
    port = namespace.state.port("slurmctld")
    command = Command(["slurmctld", "-D"], user="slurm")
    return Daemon("slurmctld", command, lambda: listens(port), patience=60)


def slurmd(namespace: Namespace, node: str) -> Daemon:
    """One node."""
    port = namespace.state.port(f"slurmd-{node}")
    return Daemon(f"slurmd-{node}", Command(["slurmd", "-D", "-N", node]), lambda: listens(port))


def slurmrestd(namespace: Namespace) -> Daemon:
    """The REST daemon: users come with a token of their own (`scontrol token`)."""
    port = namespace.state.port("slurmrestd")
    argv = ["slurmrestd", "-a", "rest_auth/jwt", "-s", "openapi/v0.0.38", f"127.0.0.1:{port}"]
    command = Command(argv, user=REST, env={"SLURM_JWT": "daemon"})
    return Daemon("slurmrestd", command, lambda: listens(port))


def nodes_are_up(namespace: Namespace) -> bool:
    """Whether the controller sees every node ready for work."""
    ready = {name for name, state in _nodes(namespace) if state in ("idle", "mix", "alloc", "comp")}
    return ready == set(NODES)


def take_back_nodes(namespace: Namespace) -> None:
    """Resume drained nodes.

    A controller that was killed gives job ids out twice, and Slurm drains the node that still runs the first.
    """
    for name, state in _nodes(namespace):
        if state in ("drain", "drng"):
            namespace.run(Command(["scontrol", "update", f"nodename={name}", "state=resume"]), timeout=15)


def _nodes(namespace: Namespace) -> list[tuple[str, str]]:
    """Each node's name and state, as sinfo(1) abbreviates it."""
    command = Command(["sinfo", "--noheader", "--Node", "--format=%N %t", "--partition=batch"])
    rows = [row.split() for row in namespace.run(command, timeout=15).stdout.splitlines()]
    return [(row[0], row[1]) for row in rows if len(row) == 2]


def end_jobs(namespace: Namespace) -> None:
    """Cancel every job and wait a moment for their processes; what is left is ended by the caller."""
    for state in ("PENDING", "RUNNING", "SUSPENDED"):  # scancel refuses to end all without a filter
        namespace.run(Command(["scancel", "--quiet", f"--state={state}"]), timeout=15)
    listing = Command(["squeue", "--noheader", "--states=all", "--format=%A %T"])
    active = (" RUNNING", " COMPLETING", " PENDING")
    wait(lambda: not any(w in namespace.run(listing, timeout=15).stdout for w in active), 10, pause=0.2)
