"""Rules of groups, one by one; any sequence of them is tried in tests/services/test_groups_model.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sciserver_hpc.domain import membership as groups
from sciserver_hpc.domain.access import Subject
from sciserver_hpc.domain.errors import Conflict, Refused, SciServerError
from sciserver_hpc.domain.groups import (
    Accessibility,
    Group,
    Membership,
    Role,
    Source,
    Standing,
    Status,
    likeness,
    user,
)
from sciserver_hpc.domain.people import Person

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SURVEY = Group(name="survey", owner="alice", created_at=NOW)
OPEN = SURVEY.model_copy(update={"accessibility": Accessibility.PUBLIC})
ASTRO = Group(name="astro", source=Source.DIRECTORY, created_at=NOW)


def person(name: str) -> Person:
    return Person(username=name, uid=2000, gid=2000)


def member(name: str, status: str = "accepted", role: str = "member", **more: Any) -> Membership:
    subject = user(name) if isinstance(name, str) else name
    return Membership(
        group="survey",
        member=subject,
        role=Role(role),
        status=Status(status),
        by="alice",
        changed_at=NOW,
        **more,
    )


OWNER, ADMIN = member("alice", role="owner"), member("bob", role="admin")
BY_OWNER = Standing(person("alice"), SURVEY, OWNER)
BY_ADMIN = Standing(person("bob"), SURVEY, ADMIN)
BY_MEMBER = Standing(person("carol"), SURVEY, member("carol"))
BY_STRANGER = Standing(person("dave"), SURVEY)
BY_SITE = Standing(person("root1"), SURVEY, steward=True)


def only(change: groups.Change | None) -> Membership:
    assert change is not None
    (membership,) = change.memberships
    return membership


NAMES = {"owner": BY_OWNER, "admin": BY_ADMIN, "member": BY_MEMBER, "stranger": BY_STRANGER, "site": BY_SITE}
DAVE = user("dave")
VERBS: dict[str, tuple[Any, str]] = {
    "describe": (lambda who: groups.describe(who, "new"), "owner admin site"),
    "open": (lambda who: groups.describe(who, None, Accessibility.PUBLIC), "owner site"),
    "invite": (
        lambda who: groups.invite(who, user("erin"), Role.ADMIN, None, frozenset(), NOW),
        "owner admin site",
    ),
    "withdraw": (lambda who: groups.withdraw(who, member("erin", "invited"), NOW), "owner admin site"),
    "remove": (lambda who: groups.remove(who, user("erin"), member("erin"), NOW), "owner admin site"),
    "remove an admin": (
        lambda who: groups.remove(who, user("erin"), member("erin", role="admin"), NOW),
        "owner site",
    ),
    "promote": (lambda who: groups.set_role(who, member("erin"), Role.ADMIN, NOW), "owner admin site"),
    "demote": (
        lambda who: groups.set_role(who, member("erin", role="admin"), Role.MEMBER, NOW),
        "owner site",
    ),
    "transfer": (lambda who: groups.transfer(who, member("erin"), NOW), "owner site"),
    "delete": (groups.delete, "owner site"),
}


@pytest.mark.parametrize("who", NAMES)
@pytest.mark.parametrize("verb", VERBS)
def test_who_may_do_what(verb: str, who: str) -> None:
    does, may = VERBS[verb]
    if who in may.split():
        assert does(NAMES[who]) is not None
    else:
        with pytest.raises(Refused, match="only its owner"):
            does(NAMES[who])


@pytest.mark.parametrize("verb", VERBS)
def test_directory_groups_are_read_only_even_for_administrators(verb: str) -> None:
    with pytest.raises(Refused, match="kept in the directory"):
        VERBS[verb][0](Standing(person("root1"), ASTRO, steward=True))


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.ACCEPTED])
def test_only_accepted_counts(status: str) -> None:
    assert not Standing(person("bob"), SURVEY, member("bob", status, "admin")).has(Role.MEMBER)


def test_the_owner_cannot_be_stripped_nor_leave() -> None:
    for who in (BY_ADMIN, BY_SITE, BY_OWNER):
        with pytest.raises(Refused):
            groups.remove(who, OWNER.member, OWNER, NOW)
        with pytest.raises(Refused):
            groups.set_role(who, OWNER, Role.MEMBER, NOW)
    with pytest.raises(Refused, match="hand it over"):
        groups.leave(BY_OWNER, OWNER, NOW)


def test_handing_over_leaves_one_owner() -> None:
    offer = groups.transfer(BY_OWNER, member("carol"), NOW)
    assert offer is not None and (offer.group.owner, offer.group.heir) == ("alice", "carol")
    (heir,) = offer.memberships
    offered = Standing(BY_MEMBER.person, offer.group, heir)
    change = groups.accept(offered, heir, frozenset(), NOW, OWNER)
    assert change is not None and (change.group.owner, change.group.heir) == ("carol", None)
    assert [(m.member.name, m.role) for m in change.memberships] == [
        ("carol", Role.OWNER),
        ("alice", Role.ADMIN),
    ]
    with pytest.raises(Conflict):
        groups.transfer(BY_OWNER, member("carol", "invited"), NOW)


def test_an_offer_that_ends_changes_nothing_else() -> None:
    offer = groups.transfer(BY_OWNER, member("carol"), NOW)
    assert (
        offer is not None
        and groups.transfer(replace(BY_OWNER, group=offer.group), member("carol"), NOW) is None
    )
    heir = member("carol")
    owner, admin = replace(BY_OWNER, group=offer.group), replace(BY_ADMIN, group=offer.group)
    for change in (groups.decline(owner, heir, NOW), groups.withdraw(owner, heir, NOW)):
        assert change is not None and (change.group.heir, change.memberships) == (None, ())
    with pytest.raises(Refused, match="only its owner"):
        groups.withdraw(admin, heir, NOW)
    for change in (groups.leave(owner, heir, NOW), groups.remove(owner, heir.member, heir, NOW)):
        assert change is not None and change.group.heir is None
    other = groups.set_role(owner, member("erin"), Role.ADMIN, NOW)
    assert other is not None and other.group.heir == "carol"


def test_who_was_expelled_comes_back_by_invitation_alone() -> None:
    out = only(groups.remove(BY_OWNER, user("carol"), member("carol"), NOW))
    assert (out.status, out.barred) == (Status.EXPELLED, True)
    with pytest.raises(Refused, match="removed"):
        groups.join(Standing(person("carol"), OPEN, out), NOW)
    again = only(groups.invite(BY_OWNER, user("carol"), Role.MEMBER, out, frozenset(), NOW))
    for closed in (groups.withdraw(BY_OWNER, again, NOW), groups.decline(BY_STRANGER, again, NOW)):
        with pytest.raises(Refused, match="removed"):
            groups.join(Standing(person("carol"), OPEN, only(closed)), NOW)
    back = only(groups.join(Standing(person("carol"), OPEN, again), NOW))
    assert (back.status, back.barred) == (Status.ACCEPTED, False)


def test_an_admin_who_left_comes_back_as_a_member() -> None:
    gone = only(groups.leave(BY_ADMIN, ADMIN, NOW))
    back = only(groups.join(Standing(person("bob"), OPEN, gone), NOW))
    assert back.role is Role.MEMBER


@pytest.mark.parametrize(
    ("subject", "before", "above", "words"),
    [
        (user("alice"), None, (), "yourself"),
        (Subject(kind="everyone"), None, (), "public"),
        (user("erin"), member("erin", "invited"), (), "invited"),
        (user("erin"), member("erin"), (), "in group survey already"),
        (Subject(kind="portal_group", name="survey"), None, (), "in itself"),
        (Subject(kind="portal_group", name="top"), None, ("top",), "circle"),
    ],
)
def test_odd_invitations_are_refused_in_a_sentence(subject: Any, before: Any, above: Any, words: str) -> None:
    with pytest.raises(SciServerError, match=words):
        groups.invite(BY_OWNER, subject, Role.MEMBER, before, frozenset(above), NOW)


def test_groups_are_members_only_and_those_of_the_directory_are_in_at_once() -> None:
    with pytest.raises(Refused, match="only people"):
        groups.invite(BY_OWNER, ASTRO.subject, Role.ADMIN, None, frozenset(), NOW)
    with pytest.raises(Refused, match="not by invitation"):
        groups.invite(BY_OWNER, user("erin"), Role.OWNER, None, frozenset(), NOW)
    with pytest.raises(Refused, match="own people"):
        groups.invite(BY_OWNER, ASTRO.subject, Role.MEMBER, None, frozenset(), NOW)
    of_astro = BY_OWNER.person.model_copy(update={"groups": frozenset({ASTRO.name})})
    by_one_of_them = replace(BY_OWNER, person=of_astro)
    assert only(groups.invite(by_one_of_them, ASTRO.subject, Role.MEMBER, None, frozenset(), NOW)).counts
    team = Subject(kind="portal_group", name="team")
    assert not only(groups.invite(BY_OWNER, team, Role.MEMBER, None, frozenset(), NOW)).counts


def test_a_circle_that_formed_since_the_invitation_is_refused_when_accepting() -> None:
    team = member("x", "invited").model_copy(update={"member": Subject(kind="portal_group", name="team")})
    with pytest.raises(Refused, match="circle"):
        groups.accept(BY_ADMIN, team, frozenset({"team"}), NOW)


def test_asking_twice_changes_nothing() -> None:
    assert groups.accept(BY_MEMBER, member("carol"), frozenset(), NOW) is None
    assert groups.decline(BY_MEMBER, member("carol", "declined"), NOW) is None
    assert groups.withdraw(BY_OWNER, member("carol", "withdrawn"), NOW) is None
    assert groups.leave(BY_MEMBER, member("carol", "left"), NOW) is None
    assert groups.remove(BY_OWNER, user("carol"), member("carol", "expelled"), NOW) is None
    assert groups.set_role(BY_OWNER, ADMIN, Role.ADMIN, NOW) is None
    assert groups.join(Standing(person("carol"), OPEN, member("carol")), NOW) is None
    assert groups.transfer(BY_OWNER, OWNER, NOW) is None


@pytest.mark.parametrize("status", ["declined", "withdrawn", "left", "expelled"])
def test_a_closed_invitation_is_not_accepted(status: str) -> None:
    with pytest.raises(Conflict, match="no open invitation"):
        groups.accept(BY_STRANGER, member("dave", status), frozenset(), NOW)


def test_private_groups_are_not_joined() -> None:
    with pytest.raises(Refused, match="private"):
        groups.join(BY_STRANGER, NOW)


def make(name: str, alike: Any = (), **more: Any) -> groups.Change:
    told = {"owned": 0, "once_used": False, "granted": False} | more
    return groups.create(person("alice"), Group(name=name, created_at=NOW), alike, **told)


def test_the_maker_owns_the_group() -> None:
    change = make("survey")
    assert change.group.owner == "alice"
    assert (only(change).role, only(change).counts) == (Role.OWNER, True)


@pytest.mark.parametrize(
    ("name", "alike", "more", "words"),
    [
        ("Astr0", (ASTRO,), {}, "directory group astro"),
        ("survey", (), {"once_used": True}, "deleted"),
        ("survey", (), {"granted": True}, "administrator"),
        ("Public", (), {}, "kept for the site"),
    ],
)
def test_names_that_mislead_are_refused(name: str, alike: Any, more: Any, words: str) -> None:
    with pytest.raises(Conflict, match=words):
        make(name, alike, **more)


def test_an_administrator_makes_the_group_that_grants_wait_for() -> None:
    assert make("survey", granted=True, steward=True).group.name == "survey"


@pytest.mark.parametrize(("one", "other"), [("Astro", "a-s.t_r0"), ("vlbi", "v1b1"), ("modern", "modem")])
def test_names_that_read_alike(one: str, other: str) -> None:
    assert likeness(one) == likeness(other)


def test_who_may_know_of_a_group() -> None:
    assert not groups.may_see(BY_STRANGER, reached=False, asked=False)
    assert groups.may_see(BY_STRANGER, reached=True, asked=False)
    assert groups.may_see(BY_STRANGER, reached=False, asked=True)
    assert groups.may_see(BY_SITE, reached=False, asked=False)
    assert groups.may_see(Standing(person("dave"), OPEN), reached=False, asked=False)
