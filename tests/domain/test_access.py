"""Decisions, giving and taking of rights, and the sentences that explain them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sciserver_hpc.domain.access import (
    ACTIONS,
    EVERYONE,
    SITE,
    Acting,
    Action,
    Grant,
    Resource,
    ResourceKind,
    Subject,
    decide,
    own_subjects,
    roles,
)
from sciserver_hpc.domain.errors import Invalid, Refused
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.sharing import Giver, give, take
from sciserver_hpc.domain.why import Question, explain, way

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SHARED = Resource(kind="user_volume", name="Storage/alice/shared")
DATA = Resource(kind="data_volume", name="sdss")
SURVEY = Subject(kind="portal_group", name="survey")
ASTRO = Subject(kind="group", name="astro")


def person(name: str, *groups: str, admin: bool = False) -> Person:
    return Person(username=name, uid=2000, gid=2000, groups=frozenset(groups), admin=admin)


def acting(name: str, *groups: str, reached: tuple[Subject, ...] = (), admin: bool = False) -> Acting:
    who = person(name, *groups, admin=admin)
    return Acting(who, own_subjects(who) | frozenset(reached))


def user(name: str) -> Subject:
    return Subject(kind="user", name=name)


def grant(subject: Subject, action: str, resource: Resource = SHARED, **more: Any) -> Grant:
    return Grant(subject=subject, action=Action(action), resource=resource, **more)


@pytest.mark.parametrize(
    ("given", "wanted", "allowed"),
    [
        (grant(user("bob"), "read"), "read", True),
        (grant(user("bob"), "write"), "read", True),
        (grant(user("bob"), "read"), "write", False),
        (grant(user("bob"), "grant"), "read", False),
        (grant(EVERYONE, "read"), "read", True),
        (grant(ASTRO, "read"), "read", True),
        (grant(Subject(kind="portal_group", name="astro"), "read"), "read", False),
        (grant(user("carol"), "read"), "read", False),
        (grant(user("bob"), "read", Resource(kind="user_volume", name="Storage/alice/other")), "read", False),
        (grant(user("bob"), "read", expires=NOW), "read", False),
        (grant(user("bob"), "read", expires=NOW + DAY), "read", True),
    ],
    ids=str,
)
def test_a_grant_reaches_whom_it_names(given: Grant, wanted: str, allowed: bool) -> None:
    decision = decide(acting("bob", "astro"), Action(wanted), SHARED, [given], NOW)
    assert decision.allowed is allowed
    assert decision.reason


def test_a_group_of_the_portal_never_stands_for_one_of_the_directory() -> None:
    bob = acting("bob", reached=(Subject(kind="portal_group", name="astro"),))
    assert not decide(bob, Action.READ, SHARED, [grant(ASTRO, "read")], NOW)


def test_names_of_directory_groups_that_no_grant_can_name_do_no_harm() -> None:
    assert acting("bob", "a" * 300, "", "x\0y", "astro").subjects == {user("bob"), EVERYONE, ASTRO}


def test_an_administrator_of_the_site_gives_what_is_the_sites_but_has_none_of_it() -> None:
    root = acting("root1", admin=True)
    assert decide(root, Action.GRANT, DATA, [], NOW)
    assert not decide(root, Action.READ, DATA, [], NOW)
    assert not decide(root, Action.GRANT, SHARED, [], NOW)


def test_every_kind_has_its_actions_in_words_and_roles_of_them_alone() -> None:
    assert set(ACTIONS) == set(ResourceKind)
    for kind, actions in ACTIONS.items():
        assert all(text.endswith(".") for text in actions.values())
        assert all(bundle <= set(actions) for bundle in roles(kind).values())
    assert roles(ResourceKind.IMAGE) == {
        "user": {Action.USE},
        "manager": {Action.USE, Action.GRANT},
    }
    assert set(roles(ResourceKind.JOB)) == {"reader", "manager"}
    assert not decide(acting("alice"), Action.USE, SHARED, [], NOW)


def giver(who: Acting, *grants: Grant, resource: Resource = SHARED) -> Giver:
    return Giver(who, resource, grants)


def test_an_owner_gives_any_action_and_an_end() -> None:
    made = give(giver(acting("alice")), SURVEY, [Action.READ, Action.GRANT], NOW + DAY, NOW)
    assert [(g.action, g.subject, g.granted_by, g.expires) for g in made] == [
        (Action.GRANT, SURVEY, "alice", NOW + DAY),
        (Action.READ, SURVEY, "alice", NOW + DAY),
    ]


@pytest.mark.parametrize(
    ("held", "given", "refused"),
    [
        ((), "read", True),
        ((("read", None),), "read", True),
        ((("grant", None),), "read", True),
        ((("grant", None), ("read", None)), "read", False),
        ((("grant", None), ("read", None)), "write", True),
        ((("grant", None), ("write", None)), "read", False),
        ((("grant", None), ("read", NOW + DAY)), "read", True),
        ((("grant", NOW), ("read", None)), "read", True),
        ((("grant", None), ("read", NOW + DAY), ("read", None)), "read", False),
    ],
)
def test_nobody_hands_out_what_they_lack_nor_for_longer(
    held: tuple[tuple[str, datetime | None], ...], given: str, refused: bool
) -> None:
    mine = [grant(user("bob"), action, expires=ends) for action, ends in held]
    try:
        give(giver(acting("bob"), *mine), user("carol"), [Action(given)], None, NOW)
    except Refused:
        assert refused
    else:
        assert not refused


def test_a_right_with_an_end_may_be_given_until_that_end() -> None:
    mine = [grant(user("bob"), "grant"), grant(user("bob"), "read", expires=NOW + DAY)]
    made = give(giver(acting("bob"), *mine), user("carol"), [Action.READ], NOW + DAY, NOW)
    assert made[0].expires == NOW + DAY


@pytest.mark.parametrize(
    ("subject", "actions", "expires", "resource", "error"),
    [
        (user("bob"), ["use"], None, SHARED, Invalid),
        (user("bob"), [], None, SHARED, Invalid),
        (user("bob"), ["read"], NOW, SHARED, Invalid),
        (user("alice"), ["read"], None, SHARED, Refused),
        (EVERYONE, ["read"], None, SHARED, Refused),
        (user("bob"), ["read"], None, Resource(kind="group", name="survey"), Refused),
    ],
)
def test_odd_grants_are_told_in_a_sentence(
    subject: Subject, actions: list[str], expires: Any, resource: Resource, error: type[Exception]
) -> None:
    with pytest.raises(error):
        give(giver(acting("alice"), resource=resource), subject, map(Action, actions), expires, NOW)


@pytest.mark.parametrize(
    ("who", "given_by", "answers", "may"),
    [
        ("alice", "bob", False, True),
        ("bob", "bob", False, True),
        ("carol", "bob", False, True),
        ("dave", "bob", False, False),
        ("dave", "bob", True, True),
        ("alice", SITE, False, False),
    ],
)
def test_who_may_revoke(who: str, given_by: str, answers: bool, may: bool) -> None:
    given = grant(user("carol"), "read", granted_by=given_by)
    try:
        take(giver(acting(who)), given, NOW, answers=answers)
    except Refused:
        assert not may
    else:
        assert may


EDGES = [(user("bob"), ASTRO), (ASTRO, SURVEY), (SURVEY, Subject(kind="portal_group", name="all-sky"))]


def test_the_way_of_a_right_is_told() -> None:
    given = grant(SURVEY, "read", granted_by="alice", expires=datetime(2027, 1, 1, tzinfo=UTC))
    decision = decide(acting("bob", "astro", reached=(SURVEY,)), Action.READ, SHARED, [given], NOW)
    told = explain(Question("bob", Action.READ, SHARED, asker="alice", edges=EDGES), decision)
    assert told.sentence == (
        "bob is in directory group astro, which is in group survey, which you granted read"
        " on user volume Storage/alice/shared until 2027-01-01 00:00."
    )
    assert told.path == (user("bob"), ASTRO, SURVEY)
    hidden = Question("bob", Action.READ, SHARED, "alice", edges=EDGES, visible=lambda _: False)
    assert "astro" not in explain(hidden, decision).sentence
    assert explain(hidden, decision).path == (user("bob"), SURVEY)


def test_circles_of_groups_end() -> None:
    round_ = [*EDGES, (EDGES[-1][1], SURVEY)]
    assert way(user("bob"), Subject(kind="portal_group", name="nowhere"), round_)[-1].name == "nowhere"


@pytest.mark.parametrize(
    ("question", "given", "sentence"),
    [
        (Question("bob", Action.WRITE, SHARED, "bob"), [], "bob may not"),
        (Question("bob", Action.WRITE, SHARED, "alice", owner="alice"), [], "You can grant it."),
        (
            Question("bob", Action.READ, SHARED, "alice", owner="alice"),
            [grant(user("bob"), "write")],
            "includes read",
        ),
        (Question("bob", Action.USE, SHARED, "bob"), [], "There is no use for a user volume."),
        (Question("bob", Action.READ, DATA, "bob"), [], "Ask an administrator."),
        (
            Question("bob", Action.READ, SHARED, "bob", owner="alice"),
            [grant(user("bob"), "read", expires=NOW)],
            "ended 2026-01-15 12:00. Ask alice",
        ),
    ],
)
def test_a_no_says_what_is_missing_and_whom_to_ask(
    question: Question, given: list[Grant], sentence: str
) -> None:
    decision = decide(acting("bob"), question.action, question.resource, given, NOW)
    told = explain(question, decision).sentence
    if question.user == question.asker:
        sentence = sentence.replace("bob may", "You may")
    assert sentence in told


def test_the_no_for_anothers_thing_is_the_same_whether_it_exists() -> None:
    decision = decide(acting("bob"), Action.READ, Resource(kind="job", name="7"), [], NOW)
    told = explain(Question("bob", Action.READ, Resource(kind="job", name="7"), "bob"), decision)
    assert told.sentence.endswith("If it exists, its owner can grant it.")
