"""What pages list of groups and grants: invitations counted, names found, grants by thing, the trail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sciserver_hpc.domain.access import Action, Resource, Subject, SubjectKind
from sciserver_hpc.domain.audit import Asker, Outcome, Sieve
from sciserver_hpc.domain.errors import Invalid, NotFound, Refused
from sciserver_hpc.domain.groups import Accessibility, Role, user
from sciserver_hpc.domain.people import Person

from .world import ALICE, BOB, CAROL, World, shell

ADMIN = Person(username="root1", uid=2009, gid=2009, admin=True)
SHARED = Resource(kind="user_volume", name="Storage/bob/shared")


def portal(name: str) -> Subject:
    return Subject(kind=SubjectKind.PORTAL_GROUP, name=name)


@pytest.fixture
def known(world: World) -> World:
    """Everybody logged in; bob's private group lab, his public one labour."""
    for person in (ALICE, BOB, CAROL, ADMIN):
        world.store.remember_person(person)
        world.people.people[person.username] = person
    for name, kind in (("lab", Accessibility.PRIVATE), ("labour", Accessibility.PUBLIC)):
        world.groups.create(Asker(BOB), name, "", kind)
    return world


def test_invitations_are_counted_as_they_are_listed(known: World) -> None:
    groups = known.groups
    groups.create(Asker(CAROL), "team", "", Accessibility.PRIVATE)
    groups.create(Asker(ALICE), "other", "", Accessibility.PRIVATE)
    groups.invite(Asker(CAROL), "team", user("bob"), Role.ADMIN)
    assert [groups.waiting(who) for who in (ALICE, BOB, CAROL)] == [0, 1, 0]
    groups.accept(Asker(BOB), "team")
    # An invitation of the group is for both who answer for it; one of a group nobody of them knows is not.
    groups.invite(Asker(ALICE), "other", portal("labour"))
    assert [groups.waiting(who) for who in (ALICE, BOB, CAROL)] == [0, 1, 0]
    for who in (ALICE, BOB, CAROL):
        assert groups.waiting(who) == len(groups.invited(who))
    groups.withdraw(Asker(ALICE), "other", portal("labour"))
    assert groups.waiting(BOB) == 0


def test_groups_are_found_by_the_start_of_names_one_may_know(known: World) -> None:
    found = {who.username: [str(s) for s in known.groups.like(who, "LAB")] for who in (BOB, CAROL, ADMIN)}
    assert found == {
        "bob": ["group lab", "group labour"],
        "carol": ["group labour"],
        "root1": ["group lab", "group labour"],
    }
    # Directory groups: by those who are in, by administrators, and by whoever knows the whole name.
    starts = {who.username: known.groups.like(who, "ast") for who in (ALICE, BOB, ADMIN)}
    assert [len(starts[name]) for name in ("alice", "bob", "root1")] == [1, 0, 1]
    assert [str(s) for s in known.groups.like(BOB, "astro")] == ["directory group astro"]


@pytest.mark.parametrize("prefix", ["", "a", " a ", "a\0", "ab\n\u202ec"])
def test_too_little_of_a_name_finds_nobody(known: World, prefix: str) -> None:
    with pytest.raises(Invalid):
        known.groups.like(BOB, prefix)
    with pytest.raises(Invalid):
        known.groups.people(prefix)


def test_what_a_group_is_in_is_told_to_those_who_may_know(known: World) -> None:
    known.groups.create(Asker(CAROL), "hidden", "", Accessibility.PRIVATE)
    known.groups.invite(Asker(CAROL), "hidden", portal("labour"))
    known.groups.accept(Asker(BOB), "hidden", portal("labour"))
    above = {
        who.username: [m.group for m in known.groups.above(who, "labour")] for who in (ALICE, BOB, CAROL)
    }
    assert above == {"alice": [], "bob": ["hidden"], "carol": ["hidden"]}


def test_own_volumes_come_with_their_grants(known: World) -> None:
    known.sharing.give(Asker(BOB), SHARED, user("carol"), [Action.READ, Action.WRITE])
    found = {volume.name: shares for volume, shares in known.sharing.on_own_volumes(BOB)}
    assert {str(s.grant.subject) for s in found["shared"]} == {"directory group astro", "user carol"}
    assert found["private"] == []
    assert known.sharing.on_own_volumes(CAROL) == []


def test_what_a_group_was_granted_is_for_its_members(known: World) -> None:
    known.sharing.give(Asker(BOB), SHARED, portal("labour"), [Action.READ])
    end = known.clock.now() + timedelta(hours=1)
    known.sharing.give(Asker(BOB), SHARED, portal("labour"), [Action.WRITE], end)
    told = [grant.action for grant in known.sharing.to_group(BOB, portal("labour"))]
    assert sorted(told) == [Action.READ, Action.WRITE]
    known.clock.advance(3601)
    assert [grant.action for grant in known.sharing.to_group(ADMIN, portal("labour"))] == [Action.READ]
    with pytest.raises(Refused, match="only its members"):
        known.sharing.to_group(CAROL, portal("labour"))


def test_the_sites_things_are_listed_for_its_administrators(known: World) -> None:
    kinds = {thing.kind for thing in known.sharing.of_the_site(ADMIN)}
    assert kinds == {"domain", "image", "data_volume", "root_volume", "site"}
    assert Resource(kind="image", name="hidden") in known.sharing.of_the_site(ADMIN)
    with pytest.raises(Refused):
        known.sharing.of_the_site(ALICE)


def test_an_owner_reads_what_others_did_with_what_is_theirs(known: World) -> None:
    known.sharing.give(Asker(BOB), SHARED, user("carol"), [Action.READ, Action.GRANT])
    known.sharing.give(Asker(CAROL), SHARED, user("alice"), [Action.READ])
    with pytest.raises(Refused):
        known.sharing.give(Asker(CAROL), SHARED, user("alice"), [Action.WRITE])
    assert [(e.who, e.outcome) for e in known.audit.entries(BOB)[:3]] == [
        ("carol", Outcome.REFUSED),
        ("carol", Outcome.DONE),
        ("bob", Outcome.DONE),
    ]
    assert [e.who for e in known.audit.entries(ALICE)] == ["carol"]
    assert {e.owner for e in known.audit.entries(ADMIN)} == {"bob"}


def test_a_group_handed_over_keeps_its_past(known: World) -> None:
    known.groups.invite(Asker(BOB), "labour", user("carol"))
    known.groups.accept(Asker(CAROL), "labour")
    known.groups.transfer(Asker(BOB), "labour", user("carol"))
    known.groups.accept(Asker(CAROL), "labour")
    known.groups.describe(Asker(CAROL), "labour", "ours")
    acts = {who: [e.act for e in known.audit.entries(who)] for who in (BOB, CAROL)}
    assert "group.describe" not in acts[BOB] and acts[CAROL][0] == "group.describe"
    assert "group.create" in acts[BOB] and "group.create" not in acts[CAROL]


def test_the_trail_is_sieved(known: World) -> None:
    start = known.clock.now()
    known.clock.advance(60)
    known.sharing.give(Asker(BOB), SHARED, user("carol"), [Action.READ])
    later = known.clock.now()
    known.groups.join(Asker(CAROL), "labour")

    def acts(**sieve: object) -> list[str]:
        return [e.act for e in known.audit.entries(ADMIN, sieve=Sieve(**sieve))]

    assert acts(who="carol") == ["group.join"]
    assert acts(act="grant") == ["grant"]
    assert acts(since=later) == ["group.join", "grant"]
    assert acts(until=later) == ["group.create", "group.create"]
    assert acts(since=start, until=later, who="carol") == []
    told = list(known.audit.export(ADMIN, sieve=Sieve(act="group.create")))
    assert [e.on.name for e in told] == ["labour", "lab"]


def test_jobs_one_may_read_are_found_together(known: World) -> None:
    mine, other = (known.jobs.submit(ALICE, shell())[0] for _ in range(2))
    job = Resource(kind="job", name=str(mine.id))
    known.sharing.give(Asker(ALICE), job, user("bob"), [Action.READ])
    wanted = [mine.id, other.id, 999]
    assert set(known.jobs.readable(BOB, wanted)) == {mine.id}
    assert set(known.jobs.readable(ALICE, wanted)) == {mine.id, other.id}
    assert known.jobs.readable(CAROL, wanted) == {}


def test_a_job_shared_for_reading_is_read_and_nothing_else(known: World) -> None:
    job, _ = known.jobs.submit(ALICE, shell())
    known.agents.put(f"{job.spec.path}/stdout.txt", b"42\n", ALICE.uid)
    known.agents.put(f"{job.spec.path}/.sciserver/claim.header", b"secret", ALICE.uid)
    thing = Resource(kind="job", name=str(job.id))
    known.sharing.give(Asker(ALICE), thing, user("bob"), [Action.READ])
    assert known.results.log(BOB, job.id, "stdout").data == b"42\n"
    assert known.results.read(BOB, job.id, "stdout.txt")[0] == b"42\n"
    for path in (".sciserver/claim.header", "../stdout.txt", "/etc/passwd", "x/../../y"):
        with pytest.raises(NotFound):
            known.results.read(BOB, job.id, path)
    for forbidden in (known.jobs.cancel, known.jobs.request):
        with pytest.raises(NotFound):
            forbidden(BOB, job.id)
    known.sharing.revoke(Asker(ALICE), thing, user("bob"))
    with pytest.raises(NotFound):
        known.results.read(BOB, job.id, "stdout.txt")


def test_the_same_refusal_is_told_once_an_hour(known: World) -> None:
    known.groups.create(Asker(BOB), "open", "", Accessibility.PUBLIC)
    stranger = Asker(CAROL)

    def told() -> list[str]:
        for name in ("alice", "bob"):
            with pytest.raises(Refused):
                known.groups.invite(stranger, "open", user(name))
        return [e.act for e in known.audit.entries(BOB) if e.outcome is Outcome.REFUSED]

    assert told() == told() == ["group.invite"]
    with pytest.raises(Refused):
        known.groups.remove(stranger, "open", user("bob"))
    known.groups.join(stranger, "open")
    with pytest.raises(Refused):
        known.groups.delete(stranger, "open")
    assert told() == ["group.delete", "group.remove", "group.invite"]
    known.clock.advance(3601)
    assert told() == told() == ["group.invite", "group.delete", "group.remove", "group.invite"]
