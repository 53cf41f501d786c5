"""Grants, ends, members, drift, agents away and kills in any order: once the work has run dry, what the disk
lets each person do is what a tiny model of the rules says, and what the portal decides.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from sciserver_hpc.domain.access import Action, Resource
from sciserver_hpc.domain.acl import Acl, Entry, Named, Tag
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.catalogue import Site
from sciserver_hpc.domain.errors import Conflict, Unavailable
from sciserver_hpc.domain.groups import Accessibility
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.upkeep import Phase
from sciserver_hpc.services.projecting import Projecting

from .disks import give, known, rights, run_dry, take, volume
from .world import ALICE, BOB, CAROL, SITE, World

DAN = Person(username="dan", uid=2004, gid=2004, groups=frozenset({"astro"}))
EVE = Named(tag=Tag.USER, id=2005)
GUESTS = {person.username: person for person in (BOB, CAROL, DAN)}
VOLUMES = ("x", "y")
LEVELS = ("", "r", "rw")

VOLUME = st.sampled_from(VOLUMES)
SUBJECT = st.sampled_from(["user:bob", "user:carol", "portal_group:red", "group:astro"])
ACTION = st.sampled_from(["read", "write"])
HOURS = st.sampled_from([None, None, 1, 3])
MEMBER = st.sampled_from(["bob", "carol"])
PICK = st.integers(0, 1000)
BITS = st.integers(0, 7)


class Crash(BaseException):
    """kill -9."""


class Rules:
    """Who may what: the whole of it."""

    def __init__(self) -> None:
        self.hour = 0
        self.red: set[str] = set()
        self.grants: dict[tuple[str, str, str], int | None] = {}

    def level(self, who: str, on: str) -> str:
        mine = {f"user:{who}"} | ({"portal_group:red"} if who in self.red else set())
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

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.world.store.apply_site(Site.model_validate(SITE.model_dump() | {"grants": ()}))
        self.world.people.people |= {"dan": DAN}
        known(self.world, ALICE, BOB, CAROL, DAN)
        self.paths = {name: volume(self.world, name) for name in VOLUMES}
        self.rules = Rules()
        self.files = 0
        self.acls = self.world.agents.acls
        self.own_doings: dict[str, int] = {}
        """What alice gave eve by herself: more she never gets."""

    def teardown(self) -> None:
        self.run_dry_and_compare()
        self.world.store.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self.world.groups.create(Asker(ALICE), "red", "", Accessibility.PUBLIC)

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
        self.world.groups.join(Asker(GUESTS[who]), "red")
        self.rules.red.add(who)

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
        if "w" in rights(self.world, person, folder):
            self.files += 1
            self.world.agents.put(f"{folder}/f{self.files}", b"", person.uid)

    @rule(name=VOLUME, pick=PICK, bits=BITS, who=MEMBER)
    def setfacl_for_a_guest(self, name: str, pick: int, bits: int, who: str) -> None:
        """Of somebody who holds or held a grant: it is ours to put right."""
        named = Named(tag=Tag.USER, id=GUESTS[who].uid)
        row = self.world.store.upkeep("Storage", "alice", name)
        if row is not None and named in row.held:
            self._set(self._inode(name, pick), named, bits)

    @rule(name=VOLUME, pick=PICK, bits=BITS)
    def setfacl_for_a_stranger(self, name: str, pick: int, bits: int) -> None:
        path = self._inode(name, pick)
        self._set(path, EVE, bits)
        self.own_doings[path] = bits

    @rule(name=VOLUME, pick=PICK, mask=st.integers(1, 7))
    def chmod(self, name: str, pick: int, mask: int) -> None:
        path = self._inode(name, pick)
        found = self.acls.inodes[path]
        if found.access.mask is not None:
            access = found.access.model_copy(update={"mask": mask})
            self.acls.inodes[path] = found.model_copy(update={"access": access})

    @rule(who=st.sampled_from(["alice", "bob"]), well=st.booleans())
    def agent(self, who: str, well: bool) -> None:
        uid = {"alice": ALICE.uid, "bob": BOB.uid}[who]
        if well:
            self.world.agents.heal(uid)
        else:
            self.world.agents.fail(uid, Unavailable("agent", "it does not start"))

    @rule(room=st.sampled_from([1, 2, 8000]))
    def room(self, room: int) -> None:
        self.acls.room = room

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
        walk = self.acls.walk

        def dying(*arguments: Any) -> Any:
            if answered:
                walk(*arguments)
            raise Crash

        self.acls.walk = dying  # type: ignore[method-assign]
        service = self._service(limit)
        try:
            for due in service.due()[:1]:
                service.work([due.volume], lambda: True)
        except Crash:
            pass
        finally:
            self.acls.walk = walk  # type: ignore[method-assign]

    @rule()
    def run_dry_and_compare(self) -> None:
        """All is well again, and a day goes by."""
        self.acls.room = 8000
        for person in (ALICE, *GUESTS.values()):
            self.world.agents.heal(person.uid)
        self.world.clock.advance(3600)
        self.rules.hour += 1
        run_dry(self.world, self._service(100))
        self.world.clock.advance(23 * 3600)
        self.rules.hour += 23
        run_dry(self.world, self._service(100))
        for name in VOLUMES:
            self._compare(name)

    def _compare(self, name: str) -> None:
        row = self.world.store.upkeep("Storage", "alice", name)
        assert row is None or (row.phase, row.problem) == (Phase.REST, "")
        inside = [path for path in self.acls.inodes if path.startswith(f"{self.paths[name]}/")]
        for person in GUESTS.values():
            level = self.rules.level(person.username, name)
            decided = self.world.site.load_rights(person)
            may = [bool(decided.may(action, *_pair(name))) for action in (Action.READ, Action.WRITE)]
            assert may == [level != "", level == "rw"]
            for path in inside:
                found, uid = rights(self.world, person, path), self.acls.inodes[path].uid
                if uid == ALICE.uid:
                    assert found == level, (person.username, path)
                elif uid != person.uid:  # of guests nobody has more; less, where it came to be while away
                    assert LEVELS.index(found) <= LEVELS.index(level), (person.username, path)
        for path in inside:
            self._compare_strangers(path)

    def _compare_strangers(self, path: str) -> None:
        found = self.acls.inodes[path].access
        if path in self.own_doings:
            assert found.effective(found.rights[EVE]) & ~self.own_doings[path] == 0
        else:
            assert EVE not in found.rights

    # ------------------------------------------------------------------------------------------------------
    def _service(self, limit: int) -> Projecting:
        world = self.world
        day = timedelta(days=1)
        return Projecting(world.store, world.agents, world.clock, world.entitled, day, limit)

    def _inode(self, name: str, pick: int) -> str:
        """One of alice's own, below the volume's top."""
        top = self.paths[name]
        mine = [p for p, i in self.acls.inodes.items() if p.startswith(f"{top}/") and i.uid == ALICE.uid]
        return sorted(mine)[pick % len(mine)]

    def _set(self, path: str, named: Named, bits: int) -> None:
        """As setfacl does it: the mask becomes what covers all entries."""
        found = self.acls.inodes[path]
        entries = {**found.access.rights, named: bits}
        mask = found.access.group
        for one in entries.values():
            mask |= one
        access = Acl(
            user=found.access.user,
            group=found.access.group,
            other=found.access.other,
            mask=mask,
            named=tuple(Entry(named=n, bits=b) for n, b in sorted(entries.items(), key=_order)),
        )
        self.acls.inodes[path] = found.model_copy(update={"access": access})


def _pair(name: str) -> tuple[str, str]:
    return "user_volume", f"Storage/alice/{name}"


def _order(pair: tuple[Named, int]) -> tuple[bool, int]:
    return pair[0].tag is Tag.GROUP, pair[0].id


def test_the_disk_follows_the_rules() -> None:
    run_state_machine_as_test(
        DiskMachine,
        settings=settings(
            max_examples=50,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
