"""The cluster as a whole: its parts in the order they start, and how it goes up, down and away."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from . import (
    accounting,
    broker,
    cgroup,
    mariadb,
    munge,
    nginx,
    nslcd,
    portal,
    postgres,
    sharedfs,
    slapd,
    slurm,
)
from .daemon import Daemon, start
from .errors import Failed
from .mounts import mounts
from .namespace import HOLDER, Namespace
from .processes import Process, end, wait
from .state import State

Step = Callable[[Namespace], None]

_AGAIN = "make room, or mend what stands there, then run it again: what runs already is kept"


def nothing(namespace: Namespace) -> None:
    """The step of a part that needs none."""


@dataclass(frozen=True)
class Part:
    """A daemon with what must be done before its start and, once it answers, after."""

    daemon: Callable[[Namespace], Daemon]
    prepare: Step = nothing
    after: Step = nothing


def _node(name: str) -> Part:
    return Part(lambda namespace: slurm.slurmd(namespace, name))


PARTS: tuple[Part, ...] = (
    Part(slapd.daemon, prepare=slapd.prepare),
    Part(nslcd.daemon, prepare=nslcd.prepare),
    Part(munge.daemon, prepare=munge.prepare),
    Part(mariadb.daemon, prepare=mariadb.prepare, after=mariadb.after),
    Part(slurm.slurmdbd, prepare=slurm.prepare, after=accounting.cluster),
    Part(slurm.slurmctld, after=accounting.prepare),
    *(_node(name) for name in slurm.NODES),
    Part(slurm.slurmrestd),
)

WEB: tuple[Part, ...] = (
    Part(portal.daemon, prepare=portal.prepare),
    Part(broker.daemon),
    Part(nginx.daemon, prepare=nginx.prepare),
)


def parts(state: State) -> tuple[Part, ...]:
    """What this cluster runs; PostgreSQL only where it was asked for."""
    database = (Part(postgres.daemon, postgres.prepare, postgres.after),) if postgres.chosen(state) else ()
    return (*PARTS, *database, *WEB)


def choose_database(state: State, kind: str) -> None:
    """Settle where the cluster keeps its rows.

    Raises Failed when it keeps them elsewhere already.
    """
    if state.facts().get("database", kind) != kind or (kind == "postgresql" and _has_sqlite(state)):
        raise Failed(
            "database", f"{state.root} keeps its rows elsewhere", "run ./dev clean, or name another state"
        )
    state.remember(database=kind)


def _has_sqlite(state: State) -> bool:
    return (state.root / "database" / "sciserver.db").exists()


def up(state: State, say: Callable[[str], None]) -> Namespace:
    """Start what does not run and answer; what does is left alone.

    Raises Failed.
    """
    if os.geteuid() != 0:
        raise Failed(
            "up", "the cluster's daemons run under accounts of their own", "run it as root or by sudo"
        )
    state.make()
    sharedfs.prepare(state)
    namespace = Namespace(state)
    if not namespace.records.live():
        state.drop_busy_ports()
    namespace.open([] if namespace.records.live() else mounts(state))
    for part in parts(state):
        _start(namespace, part, say)
    slurm.take_back_nodes(namespace)
    if not wait(lambda: slurm.nodes_are_up(namespace), 30, pause=0.2):
        raise Failed(
            "slurm", "not all nodes are idle", "see sinfo in ./dev shell", state.logs / "slurmctld.log"
        )
    return namespace


def _start(namespace: Namespace, part: Part, say: Callable[[str], None]) -> None:
    name = part.daemon(namespace).name
    live = namespace.records.live().get(name)
    try:
        if not live:
            part.prepare(namespace)
        if start(namespace, part.daemon(namespace)):
            part.after(namespace)
            say(f"{name} answers")
    except OSError as error:
        raise Failed(name, f"{error.strerror}: {error.filename}", _AGAIN) from error


def down(state: State, say: Callable[[str], None]) -> None:
    """End jobs and daemons, the youngest first, and whatever else still lives in the namespace."""
    namespace = Namespace(state)
    if not namespace.records.live():
        return
    namespace.open([])
    if "slurmctld" in namespace.records.live():
        slurm.end_jobs(namespace)
    inside = namespace.members()
    for one in reversed(namespace.records.all()):
        if one.alive and one.name != HOLDER:
            end([one])
            say(f"{one.name} ended")
    end([one for one in {*inside, *namespace.members()} if one.alive])
    cgroup.tidy(cgroup.MOUNT, slurm.NODES)
    holder = namespace.holder
    end([holder] if holder else [])
    namespace.records.forget([one.name for one in namespace.records.all()])


def clean(state: State, say: Callable[[str], None]) -> None:
    """End everything and remove the state directory."""
    if not state.root.exists():
        say(f"{state.root} is not there")
        return
    down(state, say)
    state.remove()
    say(f"{state.root} removed")


def status(state: State) -> list[tuple[str, Process | None, bool]]:
    """Every part: its name, its process while that lives, whether it answers."""
    namespace = Namespace(state)
    live = namespace.records.live()
    if HOLDER not in live:
        return []
    daemons = [part.daemon(namespace) for part in parts(state)]
    return [(d.name, live.get(d.name), d.name in live and d.ready()) for d in daemons]
