"""A private mount namespace: what the cluster needs under /etc, /run and /dev is bound there alone.

A holder process keeps it open. When the holder was killed, a new one joins through any daemon that still
lives in it. See mount_namespaces(7), nsenter(1), setpriv(1).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .errors import Failed
from .processes import Process, Records, launch, process, wait
from .state import State

HOLDER = "namespace"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Mount:
    """Bind `source` over `target`, both absolute; the target is made where it is a missing directory."""

    source: Path
    target: Path
    read_only: bool = False


@dataclass(frozen=True)
class Command:
    """What to run in the namespace: as `user` (None: root), in `directory`, `env` added to a bare one."""

    argv: Sequence[str]
    user: str | None = None
    directory: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)


class Namespace:
    """The mount namespace of one state directory."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.records = Records(state)

    @property
    def holder(self) -> Process | None:
        """The holder, while it lives."""
        return self.records.live().get(HOLDER)

    def open(self, mounts: Sequence[Mount]) -> None:
        """Make sure that there is a holder; a new namespace gets `mounts`.

        Raises Failed where the kernel or this account may not make one.
        """
        if self.holder:
            return
        survivor = next(iter(self.records.live().values()), None)
        if survivor:
            self._hold(["nsenter", "--target", str(survivor.pid), "--mount", "--"])
            return
        holder = self._hold(["unshare", "--mount", "--propagation", "private", "--"])
        mine = _mounts_of("self")
        if not wait(lambda: not os.path.samestat(mine, _mounts_of(holder.pid)), 5):
            raise Failed("namespace", "unshare --mount had no effect", _PRIVILEGE)
        for mount in mounts:
            self._bind(mount)

    def _hold(self, enter: list[str]) -> Process:
        with (self.state.logs / "namespace.log").open("ab") as log:
            pid = launch([*enter, "sleep", "infinity"], {"PATH": PATH}, log)
        holder = process(HOLDER, pid)
        if holder is None or not wait(lambda: _program(pid) == "sleep", 5):
            raise Failed("namespace", "no mount namespace could be made", _PRIVILEGE, Path(log.name))
        self.records.add(holder)
        return holder

    def _bind(self, mount: Mount) -> None:
        if mount.source.is_dir():
            mount.target.mkdir(parents=True, exist_ok=True)
        self.check(Command(["mount", "--bind", str(mount.source), str(mount.target)]), "namespace")
        if mount.read_only:
            self.check(Command(["mount", "-o", "remount,bind,ro", str(mount.target)]), "namespace")

    def argv(self, command: Command) -> list[str]:
        """The argv that runs `command` in the namespace."""
        holder = self.holder
        if holder is None:
            raise Failed("namespace", "the cluster is not running", "run: ./dev up")
        become = ["setpriv", f"--reuid={command.user}", f"--regid={command.user}", "--init-groups", "--"]
        return [
            *("nsenter", "--target", str(holder.pid), "--mount", "--"),
            *(become if command.user else []),
            *("env", f"--chdir={command.directory}", *command.argv),
        ]

    def run(
        self, command: Command, *, text: str = "", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end and capture.

        A command over its time counts as failed with 124, as timeout(1) has it.
        """
        argv = self.argv(command)
        try:
            return subprocess.run(
                argv, input=text, capture_output=True, text=True, errors="replace", timeout=timeout,
                check=False, env=environment(command), cwd="/",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, 124, "", f"no answer within {timeout:.0f} s")

    def check(self, command: Command, step: str, *, text: str = "", timeout: float = 60) -> str:
        """Run and return stdout.

        Raises Failed with the command's own words.
        """
        done = self.run(command, text=text, timeout=timeout)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise Failed(step, f"{' '.join(command.argv[:3])} … ended with {done.returncode}: {said}")
        return done.stdout

    def spawn(self, name: str, command: Command, log: IO[bytes]) -> Process | None:
        """Start a process that stays and record it; None when it ended at once."""
        started = process(name, launch(self.argv(command), environment(command), log))
        if started:
            self.records.add(started)
        return started

    def members(self) -> list[Process]:
        """Every process inside the namespace and every descendant of one (containers have their own)."""
        holder = self.holder
        if holder is None:
            return []
        inside = _mounts_of(holder.pid)
        parents = _parents()
        found = {pid for pid in parents if _in_namespace(pid, inside)}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        processes = (process(_program(pid), pid) for pid in found - {os.getpid(), holder.pid})
        return [one for one in processes if one]


def environment(command: Command) -> dict[str, str]:
    """The whole environment of a command: nothing of the caller's leaks in."""
    return {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/"} | dict(command.env)


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _mounts_of(pid: int | str) -> os.stat_result:
    """What tells the mount namespace of a process (namespaces(7))."""
    return Path(f"/proc/{pid}/ns/mnt").stat()


def _in_namespace(pid: int, inside: os.stat_result) -> bool:
    try:
        return os.path.samestat(inside, _mounts_of(pid))
    except OSError:
        return False


def _parents() -> dict[int, int]:
    """PID → parent's PID, of all processes."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            found[int(entry.name)] = int(stat[stat.rindex(")") + 2 :].split()[1])
    return found


_PRIVILEGE = "run as root on a machine that allows mounts (a container needs CAP_SYS_ADMIN)"
