"""Slurm's accounting: cluster, accounts with fair shares, QOS, users, by sacctmgr(1)."""

from __future__ import annotations

from .accounts import ADMIN_GROUP, PEOPLE
from .errors import Failed
from .namespace import Command, Namespace
from .slurm import CLUSTER

QOS = {"interactive": 100, "normal": 10}
"""QOS → priority."""

SHARES = {"astro": 40, "cosmo": 40, ADMIN_GROUP: 20}
"""Account → fair share."""

NOTHING_NEW = "Nothing new added"


def cluster(namespace: Namespace) -> None:
    """Register the cluster, which slurmctld asks for at its start."""
    _add(namespace, "cluster", CLUSTER)


def prepare(namespace: Namespace) -> None:
    """Make QOS, accounts and users, once for a state directory."""
    if namespace.state.facts().get("accounting"):
        return
    for qos, priority in QOS.items():
        _add(namespace, "qos", qos, f"priority={priority}")
    names = f"qos={','.join(QOS)}"
    for account, share in SHARES.items():
        _add(namespace, "account", account, f"cluster={CLUSTER}", f"fairshare={share}", names)
    for person in PEOPLE:
        _add(namespace, "user", person.username, f"account={person.account}", f"cluster={CLUSTER}",
             "fairshare=10", names, "defaultqos=normal")  # fmt: skip
    namespace.state.remember(accounting=True)


def _add(namespace: Namespace, *words: str) -> None:
    done = namespace.run(Command(["sacctmgr", "--immediate", "add", *words]))
    if done.returncode and not any(mark in done.stdout + done.stderr for mark in (NOTHING_NEW, "already")):
        raise Failed("accounting", f"sacctmgr add {' '.join(words[:2])}: {done.stdout}{done.stderr}".strip())
