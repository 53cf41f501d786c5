"""Local jobs on disk: one directory per job, one file per fact, each written once and by rename.

`<local_dir>/<id>/`: `job.json` (what was asked, by the agent), `script`, `started.json` (the supervisor's
pid), `child.json` (the pid of what runs), `end.json` (how it ended; by the supervisor, or by the agent for
jobs that never ran or vanished). `<local_dir>/lock` guards numbering and starting.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import rmtree

from . import beneath
from .environment import account
from .problems import Problem, about
from .settings import Settings

Fact = dict[str, object]
_FACT_MAX = 1 << 20


class LocalDir:
    """The directory of this user's local jobs."""

    def __init__(self, settings: Settings) -> None:
        default = f"{account().pw_dir}/.local/state/sciserver-hpc/local-jobs"
        self.path = settings.local_dir or default
        with about(beneath.shown(self.path)):
            os.makedirs(self.path, mode=0o700, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One agent at a time."""
        lock = os.open(f"{self.path}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def ids(self) -> list[int]:
        """Ids of all jobs kept, oldest first."""
        return sorted(int(name) for name in os.listdir(self.path) if name.isdecimal())

    def new(self) -> int:
        """A directory for the next job; returns its id, never one used before (also not after pruning)."""
        counter = f"{self.path}/last"
        last = 0
        if os.path.exists(counter):
            with open(counter, encoding="ascii") as text:
                last = int(text.read() or 0)
        number = max([last, *self.ids()]) + 1
        os.mkdir(self.folder(number), 0o700)
        with beneath.directory(self.path, []) as here:
            beneath.write_over(here, "last", str(number).encode("ascii"))
        return number

    def folder(self, number: int) -> str:
        """The directory of one job."""
        return f"{self.path}/{number}"

    def remove(self, number: int) -> None:
        """Forget a job."""
        rmtree(self.folder(number), ignore_errors=True)


def read_fact(folder: str, name: str) -> Fact | None:
    """A fact of a job; None when it is not (or not readably) there."""
    try:
        with beneath.directory(folder, []) as here:
            value = json.loads(beneath.read_all(here, name, _FACT_MAX))
    except (OSError, Problem, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_fact(folder: str, name: str, fact: Fact) -> None:
    """Write a fact, whole or not at all.

    Raises Problem.
    """
    with beneath.directory(folder, []) as here, about(beneath.shown(folder)):
        beneath.write_over(here, name, json.dumps(fact).encode())


def this_process(pid: int) -> Fact | None:
    """What tells process `pid` from a later one of the same number: start time and boot; None when it is
    dead."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as text:
            fields = text.read().rpartition(")")[2].split()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as text:
            boot = text.read().strip()
    except (OSError, ValueError):
        return None
    return None if fields[0] in "ZX" else {"pid": pid, "start": int(fields[19]), "boot": boot}


def is_alive(process: Fact | None) -> bool:
    """Does the process that `this_process` described still run?"""
    if process is None or not isinstance(process.get("pid"), int):
        return False
    return this_process(int(str(process["pid"]))) == {
        key: process.get(key) for key in ("pid", "start", "boot")
    }
