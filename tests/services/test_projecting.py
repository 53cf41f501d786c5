"""What is granted on a user volume comes to its filesystem and goes with it, whatever is in the way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.acl import Acl, Entry, Named, Tag
from sciserver_hpc.domain.acl_walk import Obstacle
from sciserver_hpc.domain.applied import Applied
from sciserver_hpc.domain.audit import BROKER, Asker
from sciserver_hpc.domain.errors import NotFound, Refused, Unavailable
from sciserver_hpc.domain.groups import Accessibility
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.upkeep import BUSY, Phase
from sciserver_hpc.services.disk import Disk, Disks
from sciserver_hpc.services.entitled import Entitled, Numbered
from sciserver_hpc.services.projecting import Projecting
from sciserver_hpc.services.sharing import Sharing

from .disks import ASTRO_GID, ON_X, X, give, known, rights, row, run_dry, take, volume
from .world import ALICE, BOB, CAROL, World, shell

DATA = "/shared/Storage/alice/x/folder/data"
AWAY = Unavailable("agent", "it does not start")


@pytest.fixture(autouse=True)
def _alices_volume(world: World) -> None:
    known(world)
    volume(world)
    run_dry(world)


def slices(world: World, limit: int = 1) -> Projecting:
    """The service, with slices of so many inodes."""
    return Projecting(world.store, world.agents, world.clock, world.entitled, timedelta(days=1), limit)


def told(world: World, who: Person = ALICE, on: Resource = ON_X) -> Disk:
    return world.disks.of(who, on)


def lines(world: World) -> list[tuple[str, str]]:
    """The broker's lines about x, newest first."""
    return [(line.act, line.detail) for line in world.store.audit(on=ON_X) if line.who == BROKER]


def pending(world: World) -> list[str]:
    """What stands in the way of each grant on x."""
    return [one.sentence for one in told(world).grants if one.state is Applied.PENDING]


def test_a_read_grant_lets_read_and_a_write_grant_write(world: World) -> None:
    give(world, "user:bob")
    give(world, "user:carol", "write")
    assert [one.state for one in told(world).grants] == [Applied.WAITING, Applied.WAITING]
    run_dry(world)
    assert [rights(world, who, DATA) for who in (ALICE, BOB, CAROL)] == ["rw", "r", "rw"]
    assert rights(world, BOB, "/shared/Storage/alice/x/folder") == "r"
    assert [one.state for one in told(world).grants] == [Applied.APPLIED, Applied.APPLIED]
    [(act, detail)] = lines(world)
    assert (act, detail) == ("disk.applied", "added alice, bob, carol; 4 files looked at, 4 changed")


def test_every_change_of_grants_nudges_the_broker(world: World) -> None:
    nudges = [world.waker.woken]
    for change in (lambda: give(world, "user:bob"), lambda: take(world, "user:bob")):
        change()
        nudges.append(world.waker.woken)
    assert nudges == [nudges[0], nudges[0] + 1, nudges[0] + 2]


def test_a_revoked_grant_is_taken_off_the_disk_and_told(world: World) -> None:
    give(world, "user:bob", "write")
    run_dry(world)
    take(world, "user:bob")
    assert told(world).volume.state is Applied.WAITING
    run_dry(world)
    assert rights(world, BOB, DATA) == ""
    assert world.agents.acls.inodes["/shared/Storage/alice"].access.named == ()
    assert (row(world).held, row(world).settled) == (frozenset(), ())
    assert lines(world)[0][1] == "removed alice, bob; 4 files looked at, 4 changed"
    assert told(world).volume.sentence == "Applied."


def test_the_way_to_one_volume_stays_when_another_is_closed(world: World) -> None:
    y = Resource(kind="user_volume", name="Storage/alice/y")
    volume(world, "y")
    for on in (ON_X, y):
        give(world, "user:bob", on=on)
    run_dry(world)
    take(world, "user:bob", on=y)
    run_dry(world)
    assert (rights(world, BOB, DATA), rights(world, BOB, DATA.replace("/x/", "/y/"))) == ("r", "")
    take(world, "user:bob")
    run_dry(world)
    assert world.agents.acls.inodes["/shared/Storage/alice"].access.named == ()


def test_write_taken_back_leaves_reading(world: World) -> None:
    give(world, "user:bob", "read", "write")
    run_dry(world)
    take(world, "user:bob", "write")
    run_dry(world)
    assert rights(world, BOB, DATA) == "r"


def test_a_grant_ends_on_disk_at_its_end(world: World) -> None:
    give(world, "user:bob", hours=2)
    run_dry(world)
    assert row(world).due_at == world.clock.now() + timedelta(hours=2)
    world.clock.advance(7199)
    run_dry(world)
    assert rights(world, BOB, DATA) == "r"
    world.clock.advance(1)
    run_dry(world)
    assert rights(world, BOB, DATA) == ""
    assert "expired" in told(world).grants[0].sentence


def test_a_group_of_the_portal_is_its_members_at_any_depth(world: World) -> None:
    for name in ("low", "top"):
        world.groups.create(Asker(ALICE), name, "", Accessibility.PUBLIC)
    world.groups.invite(Asker(ALICE), "top", Subject(kind="portal_group", name="low"))
    world.groups.accept(Asker(ALICE), "top", Subject(kind="portal_group", name="low"))
    give(world, "portal_group:top")
    world.groups.invite(Asker(ALICE), "low", Subject(kind="user", name="bob"))
    run_dry(world)
    assert rights(world, BOB, DATA) == ""
    world.groups.accept(Asker(BOB), "low")
    run_dry(world)
    assert rights(world, BOB, DATA) == "r"
    world.groups.leave(Asker(BOB), "low")
    world.groups.join(Asker(CAROL), "low")
    run_dry(world)
    assert [rights(world, who, DATA) for who in (BOB, CAROL)] == ["", "r"]
    world.groups.delete(Asker(ALICE), "top")
    run_dry(world)
    assert rights(world, CAROL, DATA) == ""


def test_a_group_of_the_directory_is_its_number(world: World) -> None:
    on = Resource(kind="user_volume", name="Storage/bob/shared")
    path = volume(world, "shared", BOB)
    world.clock.advance(3600)
    run_dry(world)
    assert rights(world, ALICE, f"{path}/folder/data") == "r"
    named = {entry.named for entry in row(world, ("Storage", "bob", "shared")).settled}
    assert named == {Named(tag=Tag.GROUP, id=ASTRO_GID)}
    assert told(world, BOB, on).grants[0].state is Applied.APPLIED


def test_a_person_and_their_group_add_up(world: World) -> None:
    known(world, ALICE, BOB.model_copy(update={"groups": frozenset({"astro"})}))
    give(world, "group:astro", "write")
    give(world, "user:bob")
    run_dry(world)
    assert rights(world, BOB, DATA) == "rw"


def test_a_grant_to_read_takes_nothing_from_one_to_a_group_to_write(world: World) -> None:
    world.groups.create(Asker(ALICE), "red", "", Accessibility.PUBLIC)
    world.groups.join(Asker(BOB), "red")
    give(world, "portal_group:red", "write")
    give(world, "user:bob")
    run_dry(world)
    assert rights(world, BOB, DATA) == "rw"


def test_while_the_directory_is_away_what_it_said_last_holds(world: World) -> None:
    give(world, "group:astro")
    run_dry(world)
    world.people.down = True
    world.clock.advance(3600)
    world.store.add_grants(
        [
            share.grant.model_copy(update={"subject": Subject(kind="user", name="bob")})
            for share in world.store.shares_on(ON_X)
        ],
        world.clock.now(),
    )
    run_dry(world)
    assert rights(world, BOB, DATA) == "r"
    assert Named(tag=Tag.GROUP, id=ASTRO_GID) in {entry.named for entry in row(world).settled}


def lab(world: World) -> None:
    """A group of the directory that nothing was granted to so far."""
    known(world, CAROL.model_copy(update={"groups": frozenset({"lab"})}))
    world.people.gids["lab"] = 3002


def test_a_number_nobody_knows_yet_puts_the_volume_off(world: World) -> None:
    lab(world)
    give(world, "group:lab")
    world.people.down = True
    run_dry(world)
    assert row(world).problem.startswith("ldap does not answer")
    world.people.down = False
    world.clock.advance(60)
    run_dry(world)
    assert (row(world).problem, len(row(world).settled)) == ("", 1)


def test_a_silent_directory_is_not_asked_about_each_group(world: World) -> None:
    lab(world)
    world.people.down = True
    before = world.people.calls
    for name in ("lab", "hall", "lab"):
        with pytest.raises(Unavailable, match="timed out"):
            world.entitled.meaning(Subject(kind="group", name=name))
    assert world.people.calls == before + 1
    world.people.down = False
    world.clock.advance(60)
    assert world.entitled.meaning(Subject(kind="group", name="lab")).groups == (Numbered("lab", 3002),)


def test_a_group_without_a_number_is_told(world: World) -> None:
    lab(world)
    del world.people.gids["lab"]
    give(world, "group:lab")
    give(world, "user:bob")
    run_dry(world)
    assert pending(world) == ["Pending: the directory tells no number (gid) for a Unix group lab."]
    assert rights(world, BOB, DATA) == "r"


def test_who_never_logged_in_follows_when_they_do(world: World) -> None:
    path = volume(world, "gone", BOB)
    dan = Person(username="dan", uid=2009, gid=2009)
    grants = [
        share.grant for share in world.store.shares_on(Resource(kind="user_volume", name="Storage/bob/gone"))
    ]
    to_dan = grants[0].model_copy(update={"subject": Subject(kind="user", name="dan"), "granted_by": "bob"})
    world.store.add_grants([to_dan], world.clock.now())
    run_dry(world)
    assert rights(world, dan, f"{path}/folder/data") == ""
    known(world, dan)
    run_dry(world)
    assert rights(world, dan, f"{path}/folder/data") == "r"


def test_an_owner_who_never_logged_in_is_waited_for(world: World) -> None:
    world.store.add_grants(
        [
            share.grant.model_copy(update={"resource": Resource(kind="user_volume", name="Storage/zoe/x")})
            for share in world.store.shares_on(Resource(kind="user_volume", name="Storage/bob/gone"))
        ],
        world.clock.now(),
    )
    run_dry(world)
    assert row(world, ("Storage", "zoe", "x")).problem == (
        "zoe, who owns it, never logged in here; it follows when they do."
    )


# what may be in the way --------------------------------------------------------------------------------
def test_where_there_is_no_room_the_new_wait_and_the_old_keep(world: World) -> None:
    world.agents.acls.room = 2
    give(world, "user:bob")
    run_dry(world)
    give(world, "user:carol")
    give(world, "group:astro")
    run_dry(world)
    assert rights(world, BOB, DATA) == "r"
    assert rights(world, CAROL, DATA) == ""
    words = "Pending: 3 users and groups are to be named; there is room for 2"
    assert pending(world) == [words, words]
    assert told(world).volume.state is Applied.PENDING
    take(world, "user:bob")  # a revoked grant goes, whatever there is room for
    run_dry(world)
    assert [rights(world, who, DATA) for who in (BOB, CAROL)] == ["", "r"]
    assert pending(world) == []


def test_a_revoked_grant_goes_even_if_what_is_left_has_no_room(world: World) -> None:
    world.agents.acls.room = 2
    give(world, "user:bob")
    run_dry(world)
    world.agents.acls.room = 1
    for subject in ("user:carol", "group:astro"):
        give(world, subject)
    take(world, "user:bob")
    run_dry(world)
    assert rights(world, BOB, DATA) == ""
    assert len(pending(world)) == 2
    world.agents.acls.room = 2
    world.clock.advance(86_400)
    run_dry(world)
    assert (rights(world, CAROL, DATA), pending(world)) == ("r", [])


def test_an_agent_that_is_away_is_tried_again_ever_more_rarely(world: World) -> None:
    give(world, "user:bob")
    world.agents.fail(ALICE.uid, AWAY)
    waits = []
    for _ in range(9):
        run_dry(world)
        due = row(world).due_at
        assert due is not None
        waits.append((due - world.clock.now()).total_seconds())
        world.clock.advance(waits[-1])
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert pending(world) == [
        "Pending: the owner's agent does not answer (it does not start); it is tried again."
    ]
    world.agents.heal(ALICE.uid)
    run_dry(world)
    assert (rights(world, BOB, DATA), row(world).failures, pending(world)) == ("r", 0, [])


def test_one_owners_volumes_are_put_off_together(world: World) -> None:
    volume(world, "y")
    give(world, "user:bob")
    give(world, "user:bob", on=Resource(kind="user_volume", name="Storage/alice/y"))
    world.agents.fail(ALICE.uid, AWAY)
    volumes = [due.volume for due in world.projecting.due()]
    assert world.projecting.work(volumes, lambda: True) is False
    assert world.projecting.due() == []


def test_a_filesystem_without_acls_is_told(world: World) -> None:
    world.agents.acls.without.add("/shared/Storage")
    give(world, "user:bob")
    run_dry(world)
    assert pending(world) == ["Pending: the filesystem of '/shared/Storage' keeps no POSIX ACLs"]


def test_a_volume_whose_directory_is_gone_is_told_and_nobody_forgotten(world: World) -> None:
    give(world, "user:bob")
    run_dry(world)
    inodes = world.agents.acls.inodes
    away = {path: inodes.pop(path) for path in list(inodes) if path.startswith("/shared/Storage/alice/x")}
    give(world, "user:carol")
    run_dry(world)
    assert pending(world) == ["Pending: there is no '/shared/Storage/alice/x'"]
    for subject in ("user:bob", "user:carol"):
        take(world, subject)
    world.clock.advance(3600)
    run_dry(world)
    assert len(row(world).held) == 2
    inodes |= away  # its filesystem was away
    world.clock.advance(86_400)
    run_dry(world)
    assert (rights(world, BOB, DATA), row(world).held) == ("", frozenset())


# walks in parts ------------------------------------------------------------------------------------------
def test_a_walk_shows_how_far_it_is(world: World) -> None:
    service = slices(world)
    give(world, "user:bob")
    assert service.step(X) and service.step(X)
    assert told(world).volume.sentence == "Being applied: 2 files."
    assert told(world).grants[0].state is Applied.APPLYING
    run_dry(world, service)
    take(world, "user:bob")
    service.step(X)
    assert told(world).volume.sentence == "Being applied: 1 of about 4 files."


def test_everybody_who_may_be_named_is_known_before_the_first_slice(world: World) -> None:
    held = []
    give(world, "user:bob")
    walk = world.agents.acls.walk

    def watched(*args: object, **kwargs: object) -> object:
        held.append({named.id for named in row(world).held})
        return walk(*args, **kwargs)  # type: ignore[arg-type]

    world.agents.acls.walk = watched  # type: ignore[method-assign, assignment]
    run_dry(world)
    assert held == [{BOB.uid}] * 2


def test_a_change_in_mid_walk_begins_it_anew(world: World) -> None:
    service = slices(world)
    give(world, "user:bob")
    for _ in range(3):
        service.step(X)
    take(world, "user:bob")
    service.step(X)
    assert (row(world).cursor, row(world).entries, len(row(world).held)) == ("", (), 1)
    run_dry(world, service)
    assert (rights(world, BOB, DATA), row(world).held) == ("", frozenset())


def test_what_was_sent_and_not_answered_is_left_alone_for_a_while(world: World) -> None:
    """The broker was killed, or the agent is slow: an old slice must not undo what a newer walk does."""
    give(world, "user:bob")
    sent = row(world)
    world.store.keep_up(sent, sent.model_copy(update={"busy_until": world.clock.now() + BUSY}))
    take(world, "user:bob")
    before = row(world)
    assert world.projecting.due() == []
    assert world.projecting.step(X) is False
    assert row(world) == before
    world.clock.advance(BUSY.total_seconds())
    run_dry(world)
    assert row(world).version > before.version


def test_two_brokers_do_not_write_over_each_other(world: World) -> None:
    give(world, "user:bob")
    walk = world.agents.acls.walk

    def overtaken(*args: object, **kwargs: object) -> object:
        mine = row(world)
        world.store.keep_up(mine, mine.model_copy(update={"problem": "the other's"}))
        return walk(*args, **kwargs)  # type: ignore[arg-type]

    world.agents.acls.walk = overtaken  # type: ignore[method-assign, assignment]
    assert world.projecting.step(X) is False
    assert (row(world).problem, row(world).passed) == ("the other's", False)


# drift -----------------------------------------------------------------------------------------------------
def set_entry(world: World, path: str, uid: int, bits: int) -> None:
    """A person's own setfacl."""
    found = world.agents.acls.inodes[path]
    rest = [entry for entry in found.access.named if entry.named.id != uid]
    named = sorted([*rest, Entry(named=Named(tag=Tag.USER, id=uid), bits=bits)], key=lambda e: e.named.id)
    mask = (found.access.mask or 0) | bits
    access = found.access.model_copy(update={"named": tuple(named), "mask": mask})
    world.agents.acls.inodes[path] = found.model_copy(update={"access": access})


def test_drift_is_repaired_at_the_next_look_and_told(world: World) -> None:
    give(world, "user:bob")
    run_dry(world)
    set_entry(world, DATA, BOB.uid, 7)
    world.clock.advance(86_399)
    run_dry(world)
    assert rights(world, BOB, DATA) == "rw"
    world.clock.advance(1)
    run_dry(world)
    assert rights(world, BOB, DATA) == "r"
    assert lines(world)[0] == ("disk.repaired", "4 files looked at, 1 changed")


def test_a_look_that_finds_nothing_says_nothing(world: World) -> None:
    give(world, "user:bob")
    run_dry(world)
    before = lines(world)
    world.clock.advance(86_400)
    run_dry(world)
    assert (lines(world), row(world).looked_at) == (before, world.clock.now())


def test_a_persons_own_entries_are_shown_and_left(world: World) -> None:
    give(world, "user:bob")
    run_dry(world)
    set_entry(world, DATA, CAROL.uid, 4)
    world.clock.advance(86_400)
    run_dry(world)
    assert world.agents.acls.inodes[DATA].access.rights[Named(tag=Tag.USER, id=CAROL.uid)] == 4
    assert (told(world).volume.foreign, told(world).volume.samples[0].path) == (1, "folder/data")


def test_guests_files_follow_by_their_own_agents(world: World) -> None:
    give(world, "user:bob", "write")
    run_dry(world)
    his = "/shared/Storage/alice/x/his"
    world.agents.put(his, b"", BOB.uid)
    give(world, "user:carol")
    run_dry(world)
    assert [rights(world, who, his) for who in (ALICE, BOB, CAROL)] == ["rw", "rw", "r"]
    assert told(world).volume.left == {}
    take(world, "user:carol")
    world.agents.fail(BOB.uid, AWAY)
    run_dry(world)
    world.clock.advance(BUSY.total_seconds())
    run_dry(world)
    assert told(world).volume.left == {Obstacle.OTHERS: 1}
    assert Named(tag=Tag.USER, id=CAROL.uid) in row(world).held
    assert rights(world, CAROL, his) == ""  # the way there is closed
    assert told(world).volume.sentence == (
        "Applied, but for what was left: 1 are other people's, and differ."
    )


def test_a_guests_walk_waits_for_the_guest_alone(world: World) -> None:
    give(world, "user:bob", "write")
    run_dry(world)
    world.agents.put("/shared/Storage/alice/x/his", b"", BOB.uid)
    give(world, "user:carol")
    assert world.projecting.work([X], lambda: True)
    assert [waiting.agent.username for waiting in world.projecting.due()] == ["bob"]
    assert world.projecting.work([X], lambda: True)
    assert [waiting.agent.username for waiting in world.projecting.due()] == ["alice"]


def test_a_guests_file_from_elsewhere_is_shared_with_nobody(world: World) -> None:
    give(world, "user:bob", "write")
    run_dry(world)
    moved = "/shared/Storage/alice/x/moved"
    private = Acl(user=6, group=0, other=0)
    inode = world.agents.acls.inodes[DATA]
    world.agents.acls.inodes[moved] = inode.model_copy(update={"uid": BOB.uid, "access": private})
    give(world, "user:carol")
    run_dry(world)
    assert [rights(world, who, moved) for who in (ALICE, CAROL)] == ["", ""]
    assert told(world).volume.left == {Obstacle.OTHERS: 1}


# who sees what -----------------------------------------------------------------------------------------
def test_strangers_see_nothing_and_others_what_reaches_them(world: World) -> None:
    give(world, "user:bob")
    give(world, "group:astro")
    run_dry(world)
    with pytest.raises(NotFound):
        told(world, CAROL)
    assert len(told(world).grants) == 2
    assert [one.state for one in told(world, BOB).grants] == [Applied.APPLIED]
    assert (told(world).volume.seen, told(world, BOB).volume.seen) == (4, 0)
    with pytest.raises(NotFound):
        told(world, ALICE, Resource(kind="image", name="python"))


def test_a_volume_that_was_never_shared(world: World) -> None:
    assert told(world).volume.sentence == "It is not shared."
    assert told(world).grants == ()


def test_everyone_is_refused_where_no_group_stands_for_it(world: World) -> None:
    admin = ALICE.model_copy(update={"admin": True})
    everyone = Subject(kind="everyone")
    for dry_run in (True, False):
        with pytest.raises(Refused, match=r"knows no everyone.*name people or groups"):
            world.sharing.give(Asker(admin), ON_X, everyone, [Action.READ], dry_run=dry_run)


def test_everyone_is_the_group_the_site_names(world: World) -> None:
    entitled = Entitled(world.store, world.people, world.clock, "astro")
    sharing = Sharing(world.store, world.people, world.clock, world.site, world.waker, "astro")
    service = Projecting(world.store, world.agents, world.clock, entitled, timedelta(days=1))
    everyone = Subject(kind="everyone")
    sharing.give(Asker(ALICE.model_copy(update={"admin": True})), ON_X, everyone, [Action.READ])
    run_dry(world, service)
    assert [entry.named.id for entry in row(world).settled] == [ASTRO_GID]
    disk = Disks(world.store, world.clock, sharing, entitled).of(ALICE, ON_X)
    assert disk.grants[0].state is Applied.APPLIED


def test_a_job_is_accepted_before_the_disk_followed(world: World) -> None:
    give(world, "user:bob")
    world.clock.advance(2)
    job, _ = world.jobs.submit(BOB, shell(volumes=[{"volume": "Storage/alice/x"}]))
    assert isinstance(job, Job)
    assert [event.text for event in world.store.events(job.id)] == ["Accepted."]
    assert row(world).phase is Phase.REST
