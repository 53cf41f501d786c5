"""Accounts: two service accounts of the cluster and four demo people, none of them known outside it."""

from __future__ import annotations

import grp
import pwd
from dataclasses import dataclass
from pathlib import Path

from .state import State

SERVICE = "sciserver"
"""Runs portal and broker."""

REST = "slurmrest"
"""Runs slurmrestd, which refuses root and SlurmUser."""

USERS_GROUP = "hpcusers"
"""Members may be acted for by an agent."""

ADMIN_GROUP = "admins"


@dataclass(frozen=True)
class Person:
    """A demo person; the uid is the base of the machine's free range plus `number`."""

    username: str
    full_name: str
    number: int
    account: str
    """Their Slurm account, and a Unix group."""


PEOPLE = (
    Person("alice", "Alice Ahn", 1, "astro"),
    Person("bob", "Bob Baum", 2, "astro"),
    Person("carol", "Carol Cruz", 3, "cosmo"),
    Person("dora", "Dora Dietz", 4, ADMIN_GROUP),
)

GROUPS = {"astro": 51, "cosmo": 52, ADMIN_GROUP: 53, USERS_GROUP: 54}
"""Group → number above the base."""


UNIX_GROUPS = (70, 89)
"""First and last number above the base for groups of the portal."""


def base(state: State) -> int:
    """The first id of a range of 100 that no user or group of this machine uses; chosen once."""
    taken = {user.pw_uid for user in pwd.getpwall()} | {group.gr_gid for group in grp.getgrall()}
    return int(
        state.fact(
            "id_base",
            lambda: next(b for b in range(20_000, 60_000, 100) if not taken & set(range(b, b + 100))),
        )
    )


def members(group: str) -> list[str]:
    """Who is in a group."""
    return [p.username for p in PEOPLE if group in (p.account, USERS_GROUP)]


def service_ids(state: State) -> dict[str, int]:
    """Service account → uid and gid, free on this machine and below the users' range."""

    def free() -> dict[str, int]:
        taken = {user.pw_uid for user in pwd.getpwall()} | {group.gr_gid for group in grp.getgrall()}
        ids = (number for number in range(990, 200, -1) if number not in taken)
        return {name: next(ids) for name in (SERVICE, REST)}

    return dict(state.fact("service_ids", free))


def write_files(state: State) -> dict[str, Path]:
    """Render /etc/passwd and /etc/group of the namespace: the machine's, and the service accounts.

    A `*` as password: no shadow entry is needed, nobody can log in.
    """
    ids = service_ids(state).items()
    passwd = "".join(
        f"{name}:*:{number}:{number}:SciServer HPC:{state.run}:/usr/sbin/nologin\n" for name, number in ids
    )
    group = "".join(f"{name}:x:{number}:\n" for name, number in ids)
    return {
        path: State.write(state.etc / Path(path).name, Path(path).read_text() + added)
        for path, added in (("/etc/passwd", passwd), ("/etc/group", group))
    }


def owner(state: State, name: str) -> tuple[int, int]:
    """uid and gid of an account of the machine, a service account or a demo person."""
    if name in service_ids(state):
        number = service_ids(state)[name]
        return number, number
    for person in PEOPLE:
        if person.username == name:
            return base(state) + person.number, base(state) + person.number
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid
