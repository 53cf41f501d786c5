"""Grants, ends, invitations, members, nested groups, drift, agents away and kills in any order: once the work
has run dry, what the disk lets each person do is what a tiny model of the rules says, and what the portal
decides. With an eager broker, which works after each step, that holds after each.

The machine runs on any `Ground`: the fake filesystem, and the kernel's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sciserver_hpc.domain.access import Action, Resource, Subject, SubjectKind
from sciserver_hpc.domain.acl import Entry, Named, Tag, by_tag
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.catalogue import Site
from sciserver_hpc.domain.errors import Conflict, Refused, Unavailable
from sciserver_hpc.domain.groups import Accessibility, user
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.scheduling import Owner
from sciserver_hpc.domain.upkeep import Phase
from sciserver_hpc.services.projecting import Projecting

from .disks import give, known, rights, run_dry, take, volume
from .world import ALICE, BOB, CAROL, SITE, World

DAN = Person(username="dan", uid=2004, gid=2004, groups=frozenset({"astro"}))
EVE = 2005
GUESTS = {person.username: person for person in (BOB, CAROL, DAN)}
VOLUMES = ("x", "y")
LEVELS = ("", "r", "rw")
_READ_WRITE = (Action.READ, Action.WRITE)

VOLUME = st.sampled_from(VOLUMES)
SUBJECT = st.sampled_from(["user:bob", "user:carol", "portal_group:red", "group:astro"])
ACTION = st.sampled_from(["read", "write"])
HOURS = st.sampled_from([None, None, 1, 3])
MEMBER = st.sampled_from(["bob", "carol"])
PICK = st.integers(0, 1000)
BITS = st.integers(0, 7)


class Crash(BaseException):
    """kill -9."""


class Dying:
    """Agents whose next call the broker does not survive. answered: they did what it asked."""

    def __init__(self, agents: Any, *, answered: bool) -> None:
        self._agents = agents
        self._answered = answered

    def of(self, owner: Owner) -> Dying:
        return Dying(self._agents.of(owner), answered=self._answered)

    def acl_apply(self, *arguments: Any) -> Any:
        if self._answered:
            self._agents.acl_apply(*arguments)
        raise Crash

    def acl_verify(self, *_: Any) -> Any:
        raise Crash


class Ground(Protocol):
    """A filesystem with alice's volumes."""

    root: str
    """Path of the root volume Storage."""

    agents: Any
    walks_denied: bool
    """A guest whose grant is over cannot mend what is theirs."""

    def volume(self, name: str) -> str:
        """Make a volume of alice's with a directory and a file in it; its path."""
        ...

    def put(self, path: str, who: Person) -> None:
        """A new file of theirs."""
        ...

    def inside(self, top: str) -> list[tuple[str, int]]:
        """Paths below `top`, and whose they are."""
        ...

    def rights(self, who: Person, paths: Iterable[str]) -> list[str]:
        """What they can do with each, the way there included: "", "r" or "rw"."""
        ...

    def set_entry(self, path: str, uid: int, bits: int) -> None:
        """setfacl -m u:uid:bits."""
        ...

    def cut(self, path: str, mask: int) -> None:
        """chmod g=mask, where an ACL names somebody."""
        ...

    def entry(self, path: str, uid: int) -> int | None:
        """What the file's ACL gives a user, None where it does not name them."""
        ...

    def crowd(self, room: int) -> None:
        """From now on there is room for so many entries, where a filesystem can be told that."""
        ...


class FakeGround:
    """`tests.fakes.acls`."""

    root = "/shared/Storage"
    walks_denied = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._acls = world.agents.acls
        self.agents = world.agents

    def volume(self, name: str) -> str:
        return volume(self._world, name)

    def put(self, path: str, who: Person) -> None:
        self._world.agents.put(path, b"", who.uid)

    def inside(self, top: str) -> list[tuple[str, int]]:
        return [(path, one.uid) for path, one in self._acls.inodes.items() if path.startswith(f"{top}/")]

    def rights(self, who: Person, paths: Iterable[str]) -> list[str]:
        return [rights(self._world, who, path) for path in paths]

    def set_entry(self, path: str, uid: int, bits: int) -> None:
        found = self._acls.inodes[path]
        entries = {**found.access.rights, Named(tag=Tag.USER, id=uid): bits}
        mask = found.access.group
        for one in entries.values():
            mask |= one
        named = tuple(Entry(named=n, bits=entries[n]) for n in sorted(entries, key=by_tag))
        access = found.access.model_copy(update={"mask": mask, "named": named})
        self._acls.inodes[path] = found.model_copy(update={"access": access})

    def cut(self, path: str, mask: int) -> None:
        found = self._acls.inodes[path]
        if found.access.mask is not None:
            access = found.access.model_copy(update={"mask": mask})
            self._acls.inodes[path] = found.model_copy(update={"access": access})

    def entry(self, path: str, uid: int) -> int | None:
        access = self._acls.inodes[path].access
        bits = access.rights.get(Named(tag=Tag.USER, id=uid))
        return None if bits is None else access.effective(bits)

    def crowd(self, room: int) -> None:
        self._acls.room = room


class Rules:
    """Who may what: the whole of it."""

    def __init__(self) -> None:
        self.hour = 0
        self.red: set[str] = set()
        self.invited: set[str] = set()
        self.barred: set[str] = set()
        """Of red: expelled, and not invited since."""

        self.blue: set[str] = set()
        self.nested = False
        """Is blue in red?"""

        self.grants: dict[tuple[str, str, str], int | None] = {}

    def level(self, who: str, on: str) -> str:
        inside = who in self.red or (self.nested and who in self.blue)
        mine = {f"user:{who}"} | ({"portal_group:red"} if inside else set())
        mine |= {"group:astro"} if who == "dan" else set()
        live = {
            action
            for (subject, action, thing), end in self.grants.items()
            if thing == on and subject in mine and (end is None or end > self.hour)
        }
        return "rw" if "write" in live else "r" if live else ""


def on(name: str) -> Resource:
    return Resource(kind="user_volume", name=f"Storage/alice/{name}")


class DiskMachine(RuleBasedStateMachine):
    """alice's two volumes, with three people who come and go."""

    eager = False
    """The broker runs dry after each step."""

    steps = 0
    compared = 0
    """How often a volume was found at rest after a step, and asked."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.ground = self.make_ground()
        roots = [{"name": "Storage", "path": self.ground.root}]
        self.world.store.apply_site(
            Site.model_validate(SITE.model_dump() | {"grants": (), "root_volumes": roots})
        )
        self.world.people.people |= {"dan": DAN}
        known(self.world, ALICE, BOB, CAROL, DAN)
        self.paths = {name: self.ground.volume(name) for name in VOLUMES}
        for name in VOLUMES:
            self.world.store.add_user_volume("Storage", "alice", name, "")
        self.rules = Rules()
        self.files = 0
        self.own_doings: dict[str, int] = {}
        """What alice gave eve by herself: more she never gets."""

        self.unseen: set[str] = set()
        """Volumes with something that the broker sees only when it looks for drift."""

    def make_ground(self) -> Ground:
        return FakeGround(self.world)

    def teardown(self) -> None:
        try:
            self.run_dry_and_compare()
        finally:
            self.world.store.close()
            self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        for name in ("red", "blue"):
            self.world.groups.create(Asker(ALICE), name, "", Accessibility.PUBLIC)

    # what people do -----------------------------------------------------------------------------------
    @rule(name=VOLUME, subject=SUBJECT, action=ACTION, hours=HOURS)
    def give(self, name: str, subject: str, action: str, hours: int | None) -> None:
        give(self.world, subject, action, on=on(name), hours=hours)
        self.rules.grants[subject, action, name] = None if hours is None else self.rules.hour + hours

    @rule(pick=PICK)
    def take_one(self, pick: int) -> None:
        there = sorted(self.rules.grants)
        if there:
            subject, action, name = there[pick % len(there)]
            take(self.world, subject, action, on=on(name))
            del self.rules.grants[subject, action, name]

    @rule(who=MEMBER)
    def join(self, who: str) -> None:
        rules = self.rules
        may = who in rules.red | rules.invited or who not in rules.barred
        with nullcontext() if may else pytest.raises(Refused):
            self.world.groups.join(Asker(GUESTS[who]), "red")
        if may:
            self._comes_in(who)

    @rule(who=MEMBER)
    def invite(self, who: str) -> None:
        rules = self.rules
        may = who not in rules.red | rules.invited
        with nullcontext() if may else pytest.raises(Conflict):
            self.world.groups.invite(Asker(ALICE), "red", user(who))
        if may:
            rules.invited.add(who)

    @rule(who=MEMBER)
    def accept(self, who: str) -> None:
        may = who in self.rules.red | self.rules.invited
        with nullcontext() if may else pytest.raises(Conflict):
            self.world.groups.accept(Asker(GUESTS[who]), "red")
        if may:
            self._comes_in(who)

    @rule(who=MEMBER, by_owner=st.booleans())
    def decline_or_withdraw(self, who: str, by_owner: bool) -> None:
        with nullcontext() if who in self.rules.invited else suppress(Conflict):
            if by_owner:
                self.world.groups.withdraw(Asker(ALICE), "red", user(who))
            else:
                self.world.groups.decline(Asker(GUESTS[who]), "red")
        self.rules.invited.discard(who)

    @rule(who=MEMBER)
    def expel(self, who: str) -> None:
        there = who in self.rules.red
        with nullcontext() if there else suppress(Conflict):
            self.world.groups.remove(Asker(ALICE), "red", user(who))
        if there:
            self.rules.red.discard(who)
            self.rules.barred.add(who)

    @rule(who=MEMBER)
    def join_or_leave_the_nested(self, who: str) -> None:
        if who in self.rules.blue:
            self.world.groups.leave(Asker(GUESTS[who]), "blue")
        else:
            self.world.groups.join(Asker(GUESTS[who]), "blue")
        self.rules.blue ^= {who}

    @rule()
    def nest_or_take_out(self) -> None:
        blue = Subject(kind=SubjectKind.PORTAL_GROUP, name="blue")
        if self.rules.nested:
            self.world.groups.remove(Asker(ALICE), "red", blue)
        else:
            self.world.groups.invite(Asker(ALICE), "red", blue)
            self.world.groups.accept(Asker(ALICE), "red", blue)
        self.rules.nested = not self.rules.nested

    def _comes_in(self, who: str) -> None:
        self.rules.red.add(who)
        self.rules.invited.discard(who)
        self.rules.barred.discard(who)

    @rule(who=MEMBER)
    def leave(self, who: str) -> None:
        try:
            self.world.groups.leave(Asker(GUESTS[who]), "red")
        except Conflict:
            assert who not in self.rules.red
        self.rules.red.discard(who)

    @rule()
    def an_hour_passes(self) -> None:
        self.world.clock.advance(3600)
        self.rules.hour += 1

    # what happens on disk -------------------------------------------------------------------------------
    @rule(name=VOLUME, who=st.sampled_from(["alice", "bob", "carol"]))
    def make_a_file(self, name: str, who: str) -> None:
        person = ALICE if who == "alice" else GUESTS[who]
        folder = f"{self.paths[name]}/folder"
        if "w" in self.ground.rights(person, [folder])[0]:
            self.files += 1
            self.unseen |= set() if self._rests(name) else {name}
            self.ground.put(f"{folder}/f{self.files}", person)

    @rule(name=VOLUME, pick=PICK, bits=BITS, who=MEMBER)
    def setfacl_for_a_guest(self, name: str, pick: int, bits: int, who: str) -> None:
        """Of somebody who holds or held a grant: it is ours to put right."""
        named = Named(tag=Tag.USER, id=GUESTS[who].uid)
        row = self.world.store.upkeep("Storage", "alice", name)
        if row is not None and named in row.held:
            self.unseen.add(name)
            self.ground.set_entry(self._inode(name, pick), named.id, bits)

    @rule(name=VOLUME, pick=PICK, bits=BITS)
    def setfacl_for_a_stranger(self, name: str, pick: int, bits: int) -> None:
        path = self._inode(name, pick)
        self.unseen.add(name)
        self.ground.set_entry(path, EVE, bits)
        self.own_doings[path] = bits

    @rule(name=VOLUME, pick=PICK, mask=st.integers(1, 7))
    def chmod(self, name: str, pick: int, mask: int) -> None:
        self.unseen.add(name)
        self.ground.cut(self._inode(name, pick), mask)

    @rule(who=st.sampled_from(["alice", "bob"]), well=st.booleans())
    def agent(self, who: str, well: bool) -> None:
        uid = {"alice": ALICE.uid, "bob": BOB.uid}[who]
        if well:
            self.world.agents.heal(uid)
        else:
            self.world.agents.fail(uid, Unavailable("agent", "it does not start"))

    @rule(room=st.sampled_from([1, 2, 8000]))
    def room(self, room: int) -> None:
        self.ground.crowd(room)

    # what the broker does ---------------------------------------------------------------------------------
    @rule(steps=st.integers(1, 4), limit=st.integers(1, 3))
    def some_steps(self, steps: int, limit: int) -> None:
        service = self._service(limit)
        for _ in range(steps):
            for due in service.due()[:1]:
                service.work([due.volume], lambda: True)

    @rule(limit=st.integers(1, 3), answered=st.booleans())
    def killed_in_mid_step(self, limit: int, answered: bool) -> None:
        """Before or after the agent did what it was told; the row alone is left."""
        service = self._service(limit, Dying(self.ground.agents, answered=answered))
        with suppress(Crash):
            for due in service.due()[:1]:
                service.work([due.volume], lambda: True)

    @rule()
    def run_dry_and_compare(self) -> None:
        """All is well again, and a day goes by after what was under way."""
        self.ground.crowd(8000)
        for person in (ALICE, *GUESTS.values()):
            self.world.agents.heal(person.uid)
        for hours in (1, 24):
            self.world.clock.advance(hours * 3600)
            self.rules.hour += hours
            run_dry(self.world, self._service(100))
        self.unseen.clear()
        for name in VOLUMES:
            row = self.world.store.upkeep("Storage", "alice", name)
            assert row is None or (row.phase, row.problem) == (Phase.REST, "")
            self._compare(name)
        self._compare_decisions()

    # after each step --------------------------------------------------------------------------------------
    @invariant()
    def all_agree(self) -> None:
        if not self.eager:
            return
        type(self).steps += 1
        run_dry(self.world, self._service(100))
        self._compare_decisions()
        for name in VOLUMES:
            if name not in self.unseen and self._rests(name):
                type(self).compared += 1
                self._compare(name)

    def _rests(self, name: str) -> bool:
        """There is nothing the broker has to do, waits for or could not do."""
        row = self.world.store.upkeep("Storage", "alice", name)
        if row is None:
            return True
        due = row.due_at is not None and row.due_at <= self.world.clock.now()
        return row.phase is Phase.REST and not (row.problem or due or row.crowded)

    def _compare_decisions(self) -> None:
        for person in GUESTS.values():
            decided = self.world.site.load_rights(person)
            for name in VOLUMES:
                thing, level = on(name).name, self.rules.level(person.username, name)
                may = [bool(decided.may(action, "user_volume", thing)) for action in _READ_WRITE]
                assert may == [level != "", level == "rw"], (person.username, name)

    def _compare(self, name: str) -> None:
        inside = self.ground.inside(self.paths[name])
        levels = {person.uid: self.rules.level(person.username, name) for person in GUESTS.values()}
        for person in GUESTS.values():
            level = levels[person.uid]
            found = self.ground.rights(person, [path for path, _ in inside])
            for (path, uid), can in zip(inside, found, strict=True):
                if uid == ALICE.uid:
                    assert can == level, (person.username, path)
                elif uid != person.uid and (levels[uid] or not self.ground.walks_denied):
                    # Of guests' files nobody has more; less, where a file came to be while they were away.
                    assert LEVELS.index(can) <= LEVELS.index(level), (person.username, path)
        for path, _ in inside:
            bits, own = self.ground.entry(path, EVE), self.own_doings.get(path)
            assert bits is None if own is None else bits is not None and bits & ~own == 0, path

    # ------------------------------------------------------------------------------------------------------
    def _service(self, limit: int, agents: Any = None) -> Projecting:
        world, day = self.world, timedelta(days=1)
        mine = agents or self.ground.agents
        return Projecting(world.store, mine, world.clock, world.entitled, day, limit)

    def _inode(self, name: str, pick: int) -> str:
        """One of alice's own, below the volume's top."""
        mine = [path for path, uid in self.ground.inside(self.paths[name]) if uid == ALICE.uid]
        return sorted(mine)[pick % len(mine)]
