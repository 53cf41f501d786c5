"""A group of the portal as a Unix group: asked for, made, kept, taken away, whatever is in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sciserver_hpc.domain.access import Subject
from sciserver_hpc.domain.acl import Named, Tag
from sciserver_hpc.domain.audit import BROKER, Asker
from sciserver_hpc.domain.errors import Conflict, NotFound, Refused, Unavailable
from sciserver_hpc.domain.groups import Accessibility, Role
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.unix_groups import LOOK, SEEN, OnFiles, UnixEntry, UnixGroup
from sciserver_hpc.services.group_keeping import GroupKeeping

from .disks import ASTRO_GID, give, known, rights, run_dry, take, volume
from .disks import row as volume_row
from .world import ALICE, BOB, CAROL, World

DATA = "/shared/Storage/alice/x/folder/data"
TEAM, GID = "portal-team", 7001
DAY = timedelta(hours=24).total_seconds()
GROUP = Named(tag=Tag.GROUP, id=GID)


def person(name: str) -> Subject:
    return Subject(kind="user", name=name)


@pytest.fixture(autouse=True)
def _a_team(world: World) -> None:
    """alice owns it, bob is in; it may read her volume."""
    known(world)
    volume(world)
    world.groups.create(Asker(ALICE), "team", "", Accessibility.PUBLIC)
    world.groups.join(Asker(BOB), "team")
    give(world, "portal_group:team")
    run_dry(world)


def row(world: World, name: str = "team") -> UnixGroup:
    found = world.store.unix_group(name)
    assert found is not None
    return found


def turn(world: World, keeping: GroupKeeping | None = None) -> None:
    """All work there is at this moment, on groups and then on disk."""
    service = keeping or world.group_keeping
    for _ in range(50):
        names, looking = service.due()
        if not names and not looking:
            run_dry(world)
            return
        service.tell(names, lambda: True)
        for one in looking:
            service.look([one], lambda: True)
    raise AssertionError(f"it never ends: {row(world)}")


def later(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    turn(world)


def ask(world: World, on: bool = True, who: Person = ALICE, name: str = "team") -> None:
    world.unix_groups.ask(Asker(who), name, on)


def settled(world: World) -> None:
    """Asked for, made, known to machines, and alone on files."""
    ask(world)
    turn(world)
    world.agents.groups[TEAM] = GID
    later(world, 60)
    later(world, DAY)


def inside(world: World) -> frozenset[str]:
    return world.branch.entries[TEAM].members


def named(world: World) -> set[Named]:
    """Whom the disk names, alice apart."""
    return set(world.agents.acls.inodes[DATA].access.rights) - {Named(tag=Tag.USER, id=ALICE.uid)}


USERS = {Named(tag=Tag.USER, id=BOB.uid)}


def test_nothing_is_made_before_its_owner_asks(world: World) -> None:
    turn(world)
    assert (world.branch.entries, named(world)) == ({}, USERS)
    assert world.unix_groups.of(BOB, "team").sentence.startswith("No Unix group")


def test_the_way_to_a_group_on_disk_and_what_is_told_of_it(world: World) -> None:
    ask(world)
    turn(world)
    assert world.branch.entries[TEAM] == UnixEntry(
        name=TEAM, gid=GID, members=frozenset({"alice", "bob"}), ours=True
    )
    assert (row(world).on_files, named(world)) == (OnFiles.MEMBERS, USERS)
    assert "does not know it yet" in world.unix_groups.of(BOB, "team").sentence
    world.agents.groups[TEAM] = GID
    later(world, 60)
    assert named(world) == USERS | {GROUP}
    later(world, DAY - 1)
    assert named(world) == USERS | {GROUP}
    later(world, 1)
    assert named(world) == {GROUP}
    assert rights(world, BOB, DATA) == "r"
    told = world.unix_groups.of(BOB, "team")
    assert (told.name, told.gid, told.on, told.on_files) == (TEAM, GID, True, OnFiles.GROUP)
    assert told.sentence == f"Unix group {TEAM} is there; files name it in place of its members."


def test_the_trail_tells_who_asked_and_what_the_broker_did(world: World) -> None:
    settled(world)
    world.groups.remove(Asker(ALICE), "team", person("bob"))
    ask(world, on=False)
    turn(world)
    later(world, DAY)
    on_it = world.store.audit(on=world.store.audit(about="alice")[0].on, limit=50)
    lines = [(one.act, one.detail) for one in on_it if one.act.startswith("unix") or one.act == "group.unix"]
    assert lines == [
        ("unix.removed", f"{TEAM} (gid {GID})"),
        ("unix.changed", f"{TEAM} (gid {GID}); removed bob"),
        ("group.unix", "no Unix group"),
        ("unix.made", f"{TEAM} (gid {GID}); added alice, bob"),
        ("group.unix", "a Unix group"),
    ]
    assert {one.who for one in on_it if one.act.startswith("unix")} == {BROKER}


def test_only_the_owner_asks_and_only_members_look(world: World) -> None:
    world.groups.set_role(Asker(ALICE), "team", person("bob"), Role.ADMIN)
    with pytest.raises(Refused, match="its owner"):
        ask(world, who=BOB)
    with pytest.raises(Refused):
        world.unix_groups.of(CAROL, "team")
    with pytest.raises(NotFound):
        ask(world, name="nothing")
    ask(world, who=CAROL.model_copy(update={"admin": True}))
    assert row(world).on


def test_asking_twice_is_asking_once(world: World) -> None:
    ask(world)
    lines = len(world.store.audit(limit=500))
    ask(world)
    assert len(world.store.audit(limit=500)) == lines


def test_membership_is_followed_at_any_depth(world: World) -> None:
    settled(world)
    world.groups.create(Asker(CAROL), "low", "", Accessibility.PUBLIC)
    low = Subject(kind="portal_group", name="low")
    world.groups.invite(Asker(ALICE), "team", low)
    turn(world)
    assert inside(world) == {"alice", "bob"}
    world.groups.accept(Asker(CAROL), "team", low)
    turn(world)
    assert inside(world) == {"alice", "bob", "carol"}
    assert (rights(world, CAROL, DATA), named(world)) == ("r", {GROUP})
    world.groups.delete(Asker(CAROL), "low")
    turn(world)
    assert inside(world) == {"alice", "bob"}


def test_a_group_of_the_directory_in_it_keeps_its_own_number(world: World) -> None:
    world.groups.invite(Asker(ALICE), "team", Subject(kind="group", name="astro"))
    settled(world)
    assert named(world) == {GROUP, Named(tag=Tag.GROUP, id=ASTRO_GID)}
    assert inside(world) == {"alice", "bob"}


def test_who_never_logged_in_follows_when_they_do(world: World) -> None:
    dan = Person(username="dan", uid=2009, gid=2009)
    settled(world)
    found = world.store.membership("team", person("bob"))
    assert found is not None
    world.store.put_memberships([found.model_copy(update={"member": person("dan")})])
    turn(world)
    assert inside(world) == {"alice", "bob"}
    known(world, dan)
    turn(world)
    assert inside(world) == {"alice", "bob", "dan"}


def test_a_person_with_a_grant_of_their_own_gets_both(world: World) -> None:
    settled(world)
    give(world, "user:bob", "write")
    turn(world)
    assert rights(world, BOB, DATA) == "rw"
    take(world, "user:bob")
    give(world, "portal_group:team", "write")
    give(world, "user:bob")
    turn(world)
    assert rights(world, BOB, DATA) == "rw"
    world.groups.leave(Asker(BOB), "team")
    turn(world)
    assert rights(world, BOB, DATA) == "r"


# going back -------------------------------------------------------------------------------------------
def test_not_wanted_any_more_files_name_members_before_the_entry_goes(world: World) -> None:
    settled(world)
    ask(world, on=False)
    turn(world)
    assert (named(world), inside(world)) == (USERS, {"alice", "bob"})
    world.groups.leave(Asker(BOB), "team")
    turn(world)
    assert inside(world) == {"alice"}
    later(world, DAY)
    assert (world.branch.entries, row(world).there) == ({}, False)
    ask(world)
    turn(world)
    assert row(world).gid == GID


def test_a_deleted_groups_entry_goes_and_its_number_is_nobodys(world: World) -> None:
    settled(world)
    world.groups.delete(Asker(ALICE), "team")
    turn(world)
    assert (world.branch.entries, rights(world, BOB, DATA)) == ({}, "")
    world.groups.create(Asker(ALICE), "other", "", Accessibility.PUBLIC)
    ask(world, name="other")
    turn(world)
    assert row(world, "other").gid == GID + 1


# what may be in the way --------------------------------------------------------------------------------
def test_numbers_and_names_of_others_are_left_alone(world: World) -> None:
    world.branch.elsewhere = {"carol": GID, "staff": GID + 1}
    ask(world)
    turn(world)
    assert row(world).gid == GID + 2
    world.groups.create(Asker(ALICE), "late", "", Accessibility.PUBLIC)
    ask(world, name="late")
    turn(world)
    assert "No number from 7001 to 7003 is free" in world.unix_groups.of(ALICE, "late").sentence
    world.branch.elsewhere = {}
    later(world, 60)
    assert row(world, "late").gid == GID


def test_an_entry_somebody_else_made_is_told_and_members_are_named(world: World) -> None:
    foreign = UnixEntry(name=TEAM, gid=GID, members=frozenset({"carol"}), ours=False)
    ask(world)
    world.branch.entries[TEAM] = foreign
    turn(world)
    assert "not made by the portal" in world.unix_groups.of(BOB, "team").sentence
    world.agents.groups[TEAM] = GID
    later(world, DAY)
    assert (named(world), rights(world, CAROL, DATA)) == (USERS, "")
    ask(world, on=False)
    turn(world)
    later(world, DAY)
    assert world.branch.entries == {TEAM: foreign}


def test_somebody_who_takes_the_number_ends_it(world: World) -> None:
    settled(world)
    world.branch.elsewhere["carol"] = GID
    later(world, LOOK.total_seconds())
    assert named(world) == USERS
    assert "Number 7001 is carol's" in world.unix_groups.of(BOB, "team").sentence


def test_a_machine_that_knows_another_number_is_told(world: World) -> None:
    ask(world)
    turn(world)
    world.agents.groups[TEAM] = 9
    later(world, 60)
    assert "knows another of that name, number 9" in world.unix_groups.of(BOB, "team").sentence
    assert named(world) == USERS


def test_an_outage_is_waited_out(world: World) -> None:
    world.branch.down = True
    ask(world)
    turn(world)
    assert "ldap does not answer" in world.unix_groups.of(BOB, "team").sentence
    world.branch.down = False
    later(world, 60)
    assert inside(world) == {"alice", "bob"}


def test_an_outage_changes_nothing_where_nobody_goes(world: World) -> None:
    settled(world)
    world.branch.down = True
    world.groups.join(Asker(CAROL), "team")
    turn(world)
    assert (named(world), rights(world, CAROL, DATA)) == ({GROUP}, "")
    world.branch.down = False
    later(world, 120)
    assert rights(world, CAROL, DATA) == "r"


def test_an_outage_keeps_nobody_in(world: World) -> None:
    world.groups.join(Asker(CAROL), "team")
    settled(world)
    world.branch.down = True
    world.groups.remove(Asker(ALICE), "team", person("carol"))
    turn(world)
    assert "carol" in inside(world)
    assert (named(world), rights(world, CAROL, DATA), rights(world, BOB, DATA)) == (USERS, "", "r")
    world.branch.down = False
    later(world, 120)
    assert inside(world) == {"alice", "bob"}
    assert named(world) == USERS | {GROUP}
    later(world, DAY)
    assert named(world) == {GROUP}


def test_who_was_added_by_a_call_that_was_not_heard_counts_as_in(world: World) -> None:
    settled(world)
    world.branch.deaf = 1
    world.groups.join(Asker(CAROL), "team")
    turn(world)
    world.branch.down = True
    world.groups.leave(Asker(CAROL), "team")
    later(world, 120)
    assert "carol" in inside(world)
    assert (rights(world, CAROL, DATA), named(world)) == ("", USERS)


def test_nothing_is_sent_while_a_call_may_still_be_under_way(world: World) -> None:
    settled(world)
    world.branch.deaf = 1
    world.groups.join(Asker(CAROL), "team")
    turn(world)
    told = len(world.branch.told)
    world.groups.leave(Asker(CAROL), "team")
    turn(world)
    assert (rights(world, CAROL, DATA), named(world)) == ("", USERS)
    later(world, 49)
    assert len(world.branch.told) == told
    later(world, 1)
    assert inside(world) == {"alice", "bob"}


def test_what_others_did_there_is_put_right(world: World) -> None:
    settled(world)
    world.branch.entries[TEAM] = world.branch.entries[TEAM].model_copy(
        update={"members": frozenset({"alice", "carol"})}
    )
    later(world, LOOK.total_seconds())
    assert (inside(world), named(world)) == ({"alice", "bob"}, {GROUP})


def test_a_group_that_was_gone_begins_anew(world: World) -> None:
    settled(world)
    del world.branch.entries[TEAM]
    later(world, LOOK.total_seconds())
    assert (inside(world), named(world)) == ({"alice", "bob"}, USERS | {GROUP})


def test_a_group_machines_forget_is_lost(world: World) -> None:
    settled(world)
    del world.agents.groups[TEAM]
    later(world, SEEN.total_seconds())
    assert named(world) == USERS


def test_an_agent_that_is_away_changes_nothing(world: World) -> None:
    settled(world)
    world.agents.fail(ALICE.uid, Unavailable("agent", "it does not start"))
    world.clock.advance(SEEN.total_seconds())
    _, looking = world.group_keeping.due()
    assert world.group_keeping.look(looking, lambda: True) is False
    assert (row(world).on_files, world.group_keeping.due()[1]) == (OnFiles.GROUP, [])


# the site ----------------------------------------------------------------------------------------------
def test_a_site_may_want_it_of_all_but_those_who_say_no(world: World) -> None:
    terms = replace(world.terms, all=True)
    keeping = GroupKeeping(world.store, world.agents, world.clock, world.branch, terms)
    world.groups.create(Asker(ALICE), "none", "", Accessibility.PUBLIC)
    ask(world, on=False, name="none")
    turn(world, keeping)
    assert set(world.branch.entries) == {TEAM}


def test_where_the_site_keeps_none_any_more_files_name_members(world: World) -> None:
    settled(world)
    without = GroupKeeping(world.store, world.agents, world.clock)
    world.clock.advance(LOOK.total_seconds())
    names, looking = without.due()
    assert (names, looking) == (["team"], [])
    without.tell(names, lambda: True)
    run_dry(world)
    assert named(world) == USERS
    assert "keeps no Unix groups any more" in world.unix_groups.of(BOB, "team").sentence


def test_asking_where_there_are_none_is_told(world: World) -> None:
    world.unix_groups._prefix = ""
    with pytest.raises(Conflict, match="keeps no Unix groups"):
        ask(world)


def test_a_volume_that_is_walked_late_has_no_one_more(world: World) -> None:
    """The way back while the owner's agent is away: bob is out of the group, which files still name."""
    settled(world)
    world.agents.fail(ALICE.uid, Unavailable("agent", "it does not start"))
    ask(world, on=False)
    world.groups.leave(Asker(BOB), "team")
    turn(world)
    assert (named(world), rights(world, BOB, DATA)) == ({GROUP}, "")
    assert volume_row(world).problem


def test_each_change_is_told_once(world: World) -> None:
    settled(world)
    before = len(world.branch.told)
    world.groups.join(Asker(CAROL), "team")
    turn(world)
    assert world.branch.told[before:] == [(TEAM, frozenset({"alice", "bob", "carol"}))]
