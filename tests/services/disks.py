"""Volumes on the fake filesystem, and who can really do what there."""

from __future__ import annotations

from datetime import timedelta

from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.acl import allows
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.upkeep import Upkeep
from sciserver_hpc.services.projecting import Projecting

from .world import ALICE, BOB, CAROL, World

ASTRO_GID = 3001
GIDS = {"astro": ASTRO_GID}
X = ("Storage", "alice", "x")
ON_X = Resource(kind="user_volume", name="Storage/alice/x")


def volume(world: World, name: str = "x", owner: Person = ALICE) -> str:
    """A volume with a file in a directory; its path."""
    path = f"/shared/Storage/{owner.username}/{name}"
    world.store.add_user_volume("Storage", owner.username, name, "")
    world.agents.make_directory(path, owner.uid)
    world.agents.put(f"{path}/folder/data", b"", owner.uid)
    return path


def known(world: World, *people: Person) -> None:
    """They logged in once."""
    for person in people or (ALICE, BOB, CAROL):
        world.store.remember_person(person)


def run_dry(world: World, projecting: Projecting | None = None) -> None:
    """All work there is at this moment."""
    service = projecting or world.projecting
    for _ in range(500):
        due = service.due()
        if not due:
            return
        for one in due:
            service.work([one.volume], lambda: True)
    raise AssertionError(f"it never ends: {due}")


def rights(world: World, who: Person, path: str, top: str = "/shared/Storage") -> str:
    """What the kernel would let them do with a file, the way to it included: "", "r" or "rw"."""
    gids = {who.gid} | {GIDS[name] for name in who.groups if name in GIDS}
    gids |= {one.gid for one in world.branch.entries.values() if one.gid and who.username in one.members}
    parts = path.removeprefix(f"{top}/").split("/")
    for count in range(1, len(parts)):
        folder = "/".join([top, *parts[:count]])
        if not allows(world.agents.acls.inodes[folder], who.uid, gids, 1):
            return ""
    inode = world.agents.acls.inodes[path]
    return "".join(word for word, bit in (("r", 4), ("w", 2)) if allows(inode, who.uid, gids, bit))


def give(world: World, subject: str, *actions: str, on: Resource = ON_X, hours: float | None = None) -> None:
    """alice (or the owner) grants; `subject` is `kind:name`."""
    kind, _, name = subject.partition(":")
    expires = None if hours is None else world.clock.now() + timedelta(hours=hours)
    asker = Asker(world.people.people[on.name.split("/")[1]])
    wanted = [Action(action) for action in actions or ("read",)]
    world.sharing.give(asker, on, Subject(kind=kind, name=name), wanted, expires)


def take(world: World, subject: str, *actions: str, on: Resource = ON_X) -> None:
    """And takes back."""
    kind, _, name = subject.partition(":")
    asker = Asker(world.people.people[on.name.split("/")[1]])
    wanted = [Action(action) for action in actions] or None
    world.sharing.revoke(asker, on, Subject(kind=kind, name=name), wanted)


def row(world: World, address: tuple[str, str, str] = X) -> Upkeep:
    found = world.store.upkeep(*address)
    assert found is not None
    return found
