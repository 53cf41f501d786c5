"""Memberships count where rights are asked for: at submission, in the catalogue, and again at the start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sciserver_hpc.domain.access import Action, Grant, Resource, Subject
from sciserver_hpc.domain.audit import Asker, Outcome
from sciserver_hpc.domain.errors import Conflict, NotFound, Refused, Unavailable
from sciserver_hpc.domain.groups import Accessibility, Role, Status
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.membership import MOST_OWNED
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.volumes import VolumeMount
from sciserver_hpc.render import Surroundings
from sciserver_hpc.services.groups import Groups
from sciserver_hpc.services.rendering import Renderer
from sciserver_hpc.services.sharing import Sharing

from .world import ALICE, BOB, CAROL, SITE, World, grant, shell

PRIVATE = Resource(kind="user_volume", name="Storage/bob/private")
SURVEY = Subject(kind="portal_group", name="survey")
CAROLS = Subject(kind="user", name="carol")


@pytest.fixture
def shared(world: World) -> World:
    """bob shares his private volume with group survey, which carol is in through group team."""
    for person in (ALICE, BOB, CAROL):
        world.store.remember_person(person)
    bob, carol = Asker(BOB), Asker(CAROL)
    world.groups.create(bob, "survey", "", Accessibility.PRIVATE)
    world.groups.create(carol, "team", "", Accessibility.PUBLIC)
    team = Subject(kind="portal_group", name="team")
    world.groups.invite(bob, "survey", team)
    world.groups.accept(carol, "survey", team)
    world.sharing.give(bob, PRIVATE, SURVEY, [Action.WRITE])
    return world


def submit(world: World, person: Person = CAROL, mode: str = "rw") -> Job:
    mount = VolumeMount.parse(f"{PRIVATE.name}:{mode}")
    return world.jobs.submit(person, shell(volumes=(mount,)))[0]


def start(world: World, job: Job) -> tuple[str, str]:
    secret = Renderer(world.store, Surroundings("https://portal:8443"), b"k" * 32).claim_secret(job.uuid)
    return world.jobs.claim(job.uuid, secret, 7)


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_a_volume_shared_with_a_nested_group_is_mounted(shared: World, mode: str) -> None:
    job = submit(shared, mode=mode)
    mounts = {mount.volume: mount.writable for mount in job.spec.mounts}
    assert mounts[PRIVATE.name] is (mode == "rw")
    assert start(shared, job) == ("run", "")
    assert PRIVATE.name in {offered.volume for offered in shared.catalogue.volumes(CAROL)}


def test_write_is_refused_not_downgraded_to_read(shared: World) -> None:
    shared.sharing.revoke(Asker(BOB), PRIVATE, SURVEY)
    shared.sharing.give(Asker(BOB), PRIVATE, SURVEY, [Action.READ])
    with pytest.raises(Refused, match="no grant to write"):
        submit(shared)


CHANGES = {
    "grant revoked": lambda w: w.sharing.revoke(Asker(BOB), PRIVATE, SURVEY),
    "group unnested": lambda w: w.groups.remove(
        Asker(BOB), "survey", Subject(kind="portal_group", name="team")
    ),
    "group deleted": lambda w: w.groups.delete(Asker(BOB), "survey"),
    "inner group deleted": lambda w: w.groups.delete(Asker(CAROL), "team"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_lost_between_submission_and_start_keeps_the_job_from_starting(
    shared: World, change: str
) -> None:
    job = submit(shared)
    CHANGES[change](shared)
    verdict, reason = start(shared, job)
    assert verdict == "refused" and "private: you have no grant" in reason
    assert any("Start refused" in event.text for event in shared.jobs.events(CAROL, job.id))
    shared.clock.advance(2)
    with pytest.raises(Refused):
        submit(shared)


def test_a_grant_that_ends_while_the_job_waits_keeps_it_from_starting(shared: World) -> None:
    shared.sharing.give(Asker(BOB), PRIVATE, SURVEY, [Action.WRITE], shared.clock.now().replace(hour=13))
    job = submit(shared)
    shared.clock.advance(3600)
    assert start(shared, job)[0] == "refused"


def test_a_member_who_left_waits_no_longer_than_a_second(shared: World) -> None:
    alice = Asker(ALICE)
    shared.groups.join(alice, "team")
    assert submit(shared, ALICE).spec.mounts
    shared.groups.leave(alice, "team")
    shared.clock.advance(1)
    with pytest.raises(Refused):
        submit(shared, ALICE)


def test_a_grant_of_the_site_may_name_a_group_of_the_portal(shared: World) -> None:
    for_survey = grant(Action.USE, "image", "hidden", SURVEY)
    shared.apply(grants=(*SITE.grants, for_survey))
    assert "hidden" in {image.name for image in shared.catalogue.images(CAROL)}
    assert "hidden" not in {image.name for image in shared.catalogue.images(ALICE)}


def test_nobody_makes_the_group_that_grants_wait_for(shared: World) -> None:
    waiting: Grant = grant(Action.USE, "image", "hidden", Subject(kind="portal_group", name="elite"))
    shared.apply(grants=(*SITE.grants, waiting))
    with pytest.raises(Conflict, match="administrator"):
        shared.groups.create(Asker(CAROL), "elite", "", Accessibility.PRIVATE)
    root = CAROL.model_copy(update={"username": "root1", "admin": True})
    assert shared.groups.create(Asker(root), "elite", "", Accessibility.PRIVATE)[1]


def test_a_refusal_is_told_in_the_trail_with_its_request(shared: World) -> None:
    with pytest.raises(Refused):
        shared.groups.set_role(Asker(CAROL, "r1"), "survey", CAROLS, Role.ADMIN)
    with pytest.raises(NotFound):
        shared.groups.set_role(Asker(ALICE, "r2"), "survey", CAROLS, Role.ADMIN)
    last = shared.store.audit(limit=1)[0]
    assert (last.who, last.act, last.outcome, last.request_id) == (
        "carol",
        "group.role",
        Outcome.REFUSED,
        "r1",
    )
    assert last.reason


def test_asking_twice_leaves_one_line(shared: World) -> None:
    before = len(shared.store.audit())
    for _ in range(2):
        shared.groups.join(Asker(ALICE), "team")
    assert len(shared.store.audit()) == before + 1


def test_without_the_directory_no_group_is_made_but_known_people_are_invited(shared: World) -> None:
    shared.people.down = True
    with pytest.raises(Unavailable):
        shared.groups.create(Asker(CAROL), "new", "", Accessibility.PRIVATE)
    assert shared.groups.invite(Asker(BOB), "survey", CAROLS).member == CAROLS


def test_the_directory_is_asked_about_a_person_once_and_holds_up_nobodys_changes(
    shared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    ask = shared.people.person

    def asked(username: str) -> Person:
        held.append(shared.store._database._current() is not None)
        return ask(username)

    monkeypatch.setattr(shared.people, "person", asked)
    shared.sharing.give(Asker(BOB), PRIVATE, CAROLS, [Action.READ])
    assert held == [False]


def test_volumes_shared_by_the_thousand_are_offered(shared: World) -> None:
    with shared.store.transaction():
        for number in range(1200):
            shared.store.add_user_volume("Storage", "bob", f"v{number}", "")
    many = [Resource(kind="user_volume", name=f"Storage/bob/v{number}") for number in range(0, 2400, 2)]
    made = [Grant(subject=SURVEY, action=Action.READ, resource=one, granted_by="bob") for one in many]
    shared.store.add_grants(made, shared.clock.now())
    offered = [volume.volume for volume in shared.catalogue.volumes(CAROL)]
    assert offered == [
        *sorted([PRIVATE.name, *(f"Storage/bob/v{number}" for number in range(0, 1200, 2))]),
        "sdss",
        "far",
    ]


def test_more_things_than_a_statement_has_parameters(shared: World) -> None:
    """SciServer's listing breaks at 2,100."""
    many = [Resource(kind="user_volume", name=f"Storage/bob/v{number}") for number in range(3000)]
    made = [Grant(subject=SURVEY, action=Action.READ, resource=one, granted_by="bob") for one in many]
    shared.store.add_grants(made, shared.clock.now())
    assert len(shared.sharing.usable(CAROL)) > 3000
    assert shared.store.reaching([SURVEY], many)[1] == made
    assert [len(shared.sharing.with_me(CAROL, limit=limit)) for limit in (10, 10**6)] == [10, 501]


def test_ten_thousand_members_come_in_pages(shared: World) -> None:
    owner = shared.store.membership("survey", Subject(kind="user", name="bob"))
    assert owner is not None
    rows = [
        owner.model_copy(update={"member": Subject(kind="user", name=f"u{n:05}"), "role": Role.MEMBER})
        for n in range(10_000)
    ]
    with shared.store.transaction():
        shared.store.put_memberships(rows)
    seen, after = 0, None
    while page := shared.groups.members(BOB, "survey", after, 500):
        seen, after = seen + len(page), page[-1].member
    assert seen == 10_002
    assert len(shared.store.inside("survey")) == 10_002


class LateTurn:
    """The store of somebody who waits for their turn while `meanwhile` is done by others."""

    def __init__(self, store: Any, meanwhile: Callable[[], None]) -> None:
        self._store = store
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def hold_access(self) -> None:
        """Our turn, at last."""
        self._meanwhile()
        self._store.hold_access()


@pytest.mark.parametrize("what", ["accept", "decline", "leave", "revoke", "revoke one"])
def test_who_is_no_admin_any_more_when_their_turn_comes_answers_for_no_group(
    shared: World, what: str
) -> None:
    team = Subject(kind="portal_group", name="team")
    shared.groups.create(Asker(BOB), "other", "", Accessibility.PRIVATE)
    shared.groups.invite(Asker(BOB), "other", team)
    shared.sharing.give(Asker(BOB), PRIVATE, team, [Action.READ])
    [share] = shared.store.shares_between(PRIVATE, team)

    def demote() -> None:
        own = shared.store.membership("team", CAROLS)
        assert own is not None
        shared.store.put_memberships([own.model_copy(update={"role": Role.MEMBER})])

    store: Any = LateTurn(shared.store, demote)
    carol = Asker(CAROL)
    groups = Groups(store, shared.people, shared.clock, shared.waker)
    sharing = Sharing(store, shared.people, shared.clock, shared.site, shared.waker)
    acts: dict[str, Callable[[], object]] = {
        "accept": lambda: groups.accept(carol, "other", team),
        "decline": lambda: groups.decline(carol, "other", team),
        "leave": lambda: groups.leave(carol, "survey", team),
        "revoke": lambda: sharing.revoke(carol, PRIVATE, team),
        "revoke one": lambda: sharing.revoke_one(carol, share.id),
    }
    with pytest.raises(Refused):
        acts[what]()
    there = {name: shared.store.membership(name, team) for name in ("other", "survey")}
    assert {name: one and one.status for name, one in there.items()} == {
        "other": Status.INVITED,
        "survey": Status.ACCEPTED,
    }
    assert shared.store.shares_between(PRIVATE, team) == [share]


def test_one_person_owns_fifty_groups_at_most(world: World) -> None:
    """Without an end, one could fill others' pages with invitations."""
    person = CAROL
    for number in range(MOST_OWNED):
        world.groups.create(Asker(person), f"g{number}", "", Accessibility.PRIVATE)
    with pytest.raises(Refused, match="the most one person may"):
        world.groups.create(Asker(person), "another", "", Accessibility.PRIVATE)
    world.groups.delete(Asker(person), "g0")
    world.groups.create(Asker(person), "another", "", Accessibility.PRIVATE)


def test_only_its_own_people_or_administrators_nest_a_directory_group(world: World) -> None:
    """It is in at once and nobody could leave: a stranger would bind all its people to a group of theirs."""
    astro = Subject(kind="group", name="astro")
    stranger, member = CAROL, BOB.model_copy(update={"groups": frozenset({"astro"})})
    for person in (stranger, member):
        world.store.remember_person(person)
    world.groups.create(Asker(stranger), "theirs", "", Accessibility.PRIVATE)
    with pytest.raises(Refused, match="own people"):
        world.groups.invite(Asker(stranger), "theirs", astro, Role.MEMBER)
    world.groups.create(Asker(member), "ours", "", Accessibility.PRIVATE)
    assert world.groups.invite(Asker(member), "ours", astro, Role.MEMBER)
