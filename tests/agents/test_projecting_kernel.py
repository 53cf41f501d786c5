"""The same machine on the kernel's own filesystem: the agent's code runs as each person, and what a process
of theirs can do is found out by asking the kernel as them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from sciserver_hpc.agent import acl
from sciserver_hpc.agent.problems import Problem
from sciserver_hpc.domain.acl import Inode, Named, Tag
from sciserver_hpc.domain.acl_walk import AclSlice
from sciserver_hpc.domain.errors import AgentError
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.projection import Projection
from sciserver_hpc.domain.scheduling import Owner
from tests.services.disk_machine import DiskMachine
from tests.services.disks import GIDS
from tests.services.world import ALICE, World

from . import people

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="becoming other people takes root"),
    pytest.mark.skipif(shutil.which("setfacl") is None, reason="the package acl is not installed"),
]


def process(who: Person) -> people.Person:
    """Their uid and groups."""
    return people.person(who.uid, *(GIDS[name] for name in who.groups if name in GIDS))


class ForkedAgents:
    """`ports.Agents` as far as ACLs go, each call in a process of the owner's. Who is ill, the fake knows."""

    def __init__(self, world: World, stand: people.Stand) -> None:
        self._health = world.agents
        self._stand = stand

    def of(self, owner: Owner) -> ForkedAgent:
        return ForkedAgent(self._health, self._stand, owner)


class ForkedAgent:
    def __init__(self, health: Any, stand: people.Stand, owner: Owner) -> None:
        self._health = health
        self._stand = stand
        self._owner = owner

    def acl_apply(self, *arguments: Any) -> AclSlice:
        return self._walk("apply", *arguments)

    def acl_verify(self, *arguments: Any) -> AclSlice:
        return self._walk("verify", *arguments)

    def _walk(self, verb: str, root: str, path: str, projection: Projection, *rest: Any) -> AclSlice:
        self._health.demand_health(self._owner)
        given = projection.model_dump(mode="json")
        answer = self._stand.doing(people.person(self._owner.uid), answered, verb, root, path, given, *rest)
        if "error" in answer:
            raise AgentError(*answer["error"])
        return AclSlice.model_validate(answer)


def answered(verb: str, *arguments: Any) -> Any:
    """In the child: a slice, or the problem."""
    try:
        return getattr(acl, verb)(*arguments)
    except Problem as problem:
        return {"error": [problem.reason, str(problem)]}


def make(path: str) -> None:
    """In the child: a file as programs make them."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def make_volume(path: str) -> None:
    """In the child."""
    Path(path).mkdir(0o700)
    (Path(path) / "folder").mkdir()
    make(f"{path}/folder/data")


def can(paths: Sequence[str]) -> list[str]:
    """In the child: the kernel's answers."""
    asked = (("r", os.R_OK), ("w", os.W_OK))
    return [
        "".join(word for word, bit in asked if os.access(path, bit, effective_ids=True)) for path in paths
    ]


class RealGround:
    """A directory tree below `place`."""

    walks_denied = True

    def __init__(self, world: World, place: Path, stand: people.Stand) -> None:
        self._stand = stand
        root, home = place / "Storage", place / "Storage" / "alice"
        home.mkdir(parents=True)
        for path, mode in ((place, 0o711), (root, 0o755), (home, 0o700)):
            path.chmod(mode)
        os.chown(home, ALICE.uid, ALICE.gid)
        self.root = str(root)
        self.agents: Any = ForkedAgents(world, stand)

    def volume(self, name: str) -> str:
        path = f"{self.root}/alice/{name}"
        self._stand.doing(process(ALICE), make_volume, path)
        return path

    def put(self, path: str, who: Person) -> None:
        self._stand.doing(process(who), make, path)

    def inside(self, top: str) -> list[tuple[str, int]]:
        return [(str(path), path.stat().st_uid) for path in sorted(Path(top).rglob("*"))]

    def rights(self, who: Person, paths: Iterable[str]) -> list[str]:
        found: list[str] = self._stand.doing(process(who), can, list(paths))
        return found

    def set_entry(self, path: str, uid: int, bits: int) -> None:
        subprocess.run(["setfacl", "-m", f"u:{uid}:{bits}", path], check=True)

    def cut(self, path: str, mask: int) -> None:
        if self._inode(path).access.mask is not None:
            Path(path).chmod(Path(path).stat().st_mode & 0o7707 | mask << 3)

    def entry(self, path: str, uid: int) -> int | None:
        access = self._inode(path).access
        bits = access.rights.get(Named(tag=Tag.USER, id=uid))
        return None if bits is None else access.effective(bits)

    def crowd(self, room: int) -> None:
        """This one has the room it has."""

    def _inode(self, path: str) -> Inode:
        return Inode.model_validate(acl.show(self.root, path.removeprefix(f"{self.root}/")))


class KernelMachine(DiskMachine):
    stand: people.Stand

    def make_ground(self) -> RealGround:
        place = Path(self.folder.name)
        place.chmod(0o711)
        return RealGround(self.world, place / "disk", self.stand)


@pytest.fixture
def machine() -> Iterator[type[KernelMachine]]:
    """With people of its own."""

    class Machine(KernelMachine):
        stand = people.Stand()

    yield Machine
    Machine.stand.close()


def follow(machine: type[KernelMachine], runs: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_kernel_follows_the_rules_after_each_step(machine: type[KernelMachine]) -> None:
    machine.eager = True
    follow(machine, 70, 40)
    assert machine.steps >= 2000
    assert machine.compared >= 1000


def test_the_kernel_follows_the_rules_once_all_is_done(machine: type[KernelMachine]) -> None:
    follow(machine, 20, 25)
