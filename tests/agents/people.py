"""Being other people for a moment: what the kernel lets them do, found out by doing it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

ALICE, BOB, CAROL, DAVE, EVE = 60001, 60002, 60003, 60004, 60005
LAB, CLASS = 60011, 60012


class Person(NamedTuple):
    """A uid and the groups, the first of which new files belong to."""

    uid: int
    gids: tuple[int, ...]


def person(uid: int, *gids: int) -> Person:
    """Somebody with a group of their own."""
    return Person(uid, (uid, *gids))


def become(who: Person) -> None:
    """For good, in this process."""
    os.setgroups(who.gids)
    os.setresgid(who.gids[0], who.gids[0], who.gids[0])
    os.setresuid(who.uid, who.uid, who.uid)


def doing(who: Person, act: Callable[..., Any], *arguments: object) -> Any:
    """What `act` returns (as JSON) when a process of `who` calls it.

    Raises AssertionError with what it raised there.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _child(who, writer, act, arguments)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = json.loads(pipe.read() or b'{"error": "it died"}')
    os.waitpid(child, 0)
    assert "error" not in answer, answer["error"]
    return answer["value"]


def _child(who: Person, writer: int, act: Callable[..., Any], arguments: Sequence[object]) -> None:
    try:
        become(who)
        answer = {"value": act(*arguments)}
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    with suppress(OSError):
        os.write(writer, json.dumps(answer).encode())
    os.kill(os.getpid(), signal.SIGKILL)  # nothing of the parent's is to be cleaned up here


class Stand:
    """A process of each of some people, kept alive: asking it costs a tenth of a new one."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("fork")
        self._lines: dict[Person, Connection] = {}
        self._pids: list[int] = []

    def doing(self, who: Person, act: Callable[..., Any], *arguments: object) -> Any:
        """What `act`, a function of a module, returns when their process calls it.

        Raises AssertionError with what it raised there.
        """
        line = self._lines.get(who) or self._begin(who)
        line.send((act, arguments))
        answer, error = line.recv()
        assert not error, error
        return answer

    def close(self) -> None:
        """Nothing of a process is worth keeping."""
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _begin(self, who: Person) -> Connection:
        here, there = self._context.Pipe()
        child = os.fork()
        if child == 0:
            _stand(who, there)
        there.close()
        self._pids.append(child)
        self._lines[who] = here
        return here


def _stand(who: Person, line: Connection) -> None:
    try:
        become(who)
        while True:
            act, arguments = line.recv()
            try:
                line.send((act(*arguments), ""))
            except Exception as error:
                line.send((None, f"{type(error).__name__}: {error}"))
    finally:
        os.kill(os.getpid(), signal.SIGKILL)  # nothing of the parent's is to be cleaned up here


def rights(path: str) -> int:
    """The bits of what this process can really do at `path`: read or list, write or make, run or pass."""
    probes = (4, _lists), (2, _makes), (1, _passes)
    if not Path(path).is_dir():
        probes = (4, _opens(os.O_RDONLY)), (2, _opens(os.O_WRONLY)), (1, _runs)
    return sum(bit for bit, probe in probes if _succeeds(probe, path))


def all_rights(paths: Sequence[str]) -> list[int]:
    """`rights` of each."""
    return [rights(path) for path in paths]


def _succeeds(probe: Callable[[str], object], path: str) -> bool:
    try:
        probe(path)
    except PermissionError:
        return False
    return True


def _lists(path: str) -> None:
    list(Path(path).iterdir())


def _makes(path: str) -> None:
    """Making takes passing too: where that is missing, the kernel can only be asked."""
    if not os.access(path, os.W_OK, effective_ids=True):
        raise PermissionError
    if os.access(path, os.X_OK, effective_ids=True):
        (Path(path) / "probe").mkdir()
        (Path(path) / "probe").rmdir()


def _passes(path: str) -> None:
    (Path(path) / "none").exists()


def _opens(flags: int) -> Callable[[str], None]:
    return lambda path: os.close(os.open(path, flags))


def _runs(path: str) -> None:
    if not os.access(path, os.X_OK, effective_ids=True):
        raise PermissionError
