"""Processes we started: recorded with PID and start time, and ended only while both still fit."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .state import State


@dataclass(frozen=True)
class Process:
    """A process: its PID may be reused, PID and start time (clock ticks since boot, proc(5)) may not."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        return started_at(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the PID is no longer this process."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive:
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)


def started_at(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def launch(argv: Sequence[str], env: Mapping[str, str], log: IO[bytes]) -> int:
    """Start a process that outlives us, in a session of its own, writing to `log`; return its PID."""
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        dups = [
            (os.POSIX_SPAWN_DUP2, source, to) for to, source in enumerate((null, log.fileno(), log.fileno()))
        ]
        return os.posix_spawnp(argv[0], list(argv), env, file_actions=dups, setsid=True)
    finally:
        os.close(null)


def process(name: str, pid: int) -> Process | None:
    """The process `pid` as it is now; None when it is gone."""
    started = started_at(pid)
    return None if started is None else Process(name, pid, started)


def orphans(dead: Process) -> list[Process]:
    """What is left of the session a dead process led: its workers, when it was killed.

    The kernel gives no PID out again while a session of that number has members, so they are its own, unless
    some other process has the PID now.
    """
    if dead.alive or started_at(dead.pid) is not None:
        return []
    sessions = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        sessions[int(stat.parts[2])] = int(text[text.rindex(")") + 2 :].split()[3])
    found = (process(dead.name, pid) for pid, session in sessions.items() if session == dead.pid)
    return [one for one in found if one]


def socket_holders(directory: Path) -> list[Process]:
    """The processes that hold a unix socket bound below `directory` (proc(5), /proc/net/unix)."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[6]}]" for row in rows if len(row) > 7 and Path(row[7]).is_relative_to(directory)}
    pids = {int(p.parts[2]) for p in Path("/proc").glob("[0-9]*/fd/*") if _target(p) in inodes}
    found = (process("agent", pid) for pid in sorted(pids))
    return [one for one in found if one]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


class Records:
    """The processes recorded in a state directory, in the order they were started."""

    def __init__(self, state: State) -> None:
        self._path = state.root / "processes.json"

    def all(self) -> list[Process]:
        """Every recorded process, dead ones too."""
        if not self._path.exists():
            return []
        return [Process(**row) for row in json.loads(self._path.read_text())]

    def live(self) -> dict[str, Process]:
        """The living ones by name."""
        return {process.name: process for process in self.all() if process.alive}

    def add(self, process: Process) -> None:
        """Record a process in place of an earlier one of its name."""
        kept = [other for other in self.all() if other.name != process.name]
        self._save([*kept, process])

    def forget(self, names: Iterable[str]) -> None:
        """Drop records."""
        gone = set(names)
        self._save([process for process in self.all() if process.name not in gone])

    def _save(self, processes: list[Process]) -> None:
        State.write(self._path, json.dumps([vars(process) for process in processes], indent=1), mode=0o600)


def end(processes: Iterable[Process], patience: float = 10.0) -> None:
    """TERM each, wait up to `patience` seconds for all, KILL what is left."""
    waiting = list(processes)
    for one in waiting:
        one.send(signal.SIGCONT)
        one.send(signal.SIGTERM)
    if not wait(lambda: not any(one.alive for one in waiting), patience):
        for one in waiting:
            one.send(signal.SIGKILL)
        wait(lambda: not any(one.alive for one in waiting), patience)


def wait(condition: Callable[[], bool], patience: float, pause: float = 0.05) -> bool:
    """Ask `condition` until it holds or `patience` seconds are over; return whether it holds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
