"""Powers over the site: who has which, and what each lets one give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.access import (
    ACTIONS,
    EVERYONE,
    GIVEN_BY,
    THE_SITE,
    Acting,
    Action,
    Grant,
    Resource,
    ResourceKind,
    Subject,
    decide,
    own_subjects,
)
from sciserver_hpc.domain.administration import Power, powers
from sciserver_hpc.domain.catalogue import Site, check, loose
from sciserver_hpc.domain.errors import Invalid, Refused
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.sharing import Giver, give, take
from sciserver_hpc.domain.why import Question, explain

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OPS = Subject(kind="group", name="ops")
CAROL = Subject(kind="user", name="carol")


def acting(*groups: str, admin: bool = False) -> Acting:
    who = Person(username="bob", uid=2000, gid=2000, groups=frozenset(groups), admin=admin)
    return Acting(who, own_subjects(who))


def power(action: Action, expires: datetime | None = None, subject: Subject = OPS) -> Grant:
    return Grant(subject=subject, action=action, resource=THE_SITE, granted_by="root1", expires=expires)


def thing(kind: ResourceKind) -> Resource:
    return Resource(kind=kind, name="thing")


def test_each_power_is_an_action_on_the_site_and_nothing_else_is() -> None:
    assert {one.action for one in Power} == set(ACTIONS[ResourceKind.SITE])
    assert set(GIVEN_BY.values()) <= set(ACTIONS[ResourceKind.SITE])


def test_an_administrator_of_the_directory_has_every_power_and_gives_them() -> None:
    assert powers(acting(admin=True), [], NOW) == set(Power)
    assert decide(acting(admin=True), Action.GRANT, THE_SITE, [], NOW)
    assert give(Giver(acting(admin=True), THE_SITE, []), CAROL, [Action.SUPPORT], None, NOW)


@pytest.mark.parametrize("one", Power)
def test_a_power_is_had_alone_by_group_and_until_its_end(one: Power) -> None:
    assert powers(acting("ops"), [power(one.action)], NOW) == {one}
    assert not powers(acting(), [power(one.action)], NOW)
    assert powers(acting("ops"), [power(one.action, NOW + DAY)], NOW) == {one}
    assert not powers(acting("ops"), [power(one.action, NOW)], NOW)


@pytest.mark.parametrize("one", Power)
@pytest.mark.parametrize("kind", [*GIVEN_BY, ResourceKind.USER_VOLUME, ResourceKind.JOB, ResourceKind.SITE])
def test_a_power_gives_rights_to_its_own_kinds_alone(one: Power, kind: ResourceKind) -> None:
    mine = [power(one.action)]
    giver = Giver(acting("ops"), thing(kind), mine, owner="alice")
    wanted = next(iter(ACTIONS[kind]))
    theirs = Grant(subject=CAROL, action=wanted, resource=thing(kind), granted_by="root1")
    allowed = GIVEN_BY.get(kind) == one.action
    assert decide(giver.acting, Action.GRANT, thing(kind), mine, NOW, "alice").allowed is allowed
    assert not decide(giver.acting, wanted, thing(kind), mine, NOW, "alice")
    if allowed:
        assert give(giver, CAROL, [wanted], None, NOW) and give(giver, EVERYONE, [wanted], None, NOW)
        take(giver, theirs, NOW, answers=False)
    else:
        with pytest.raises(Refused):
            give(giver, CAROL, [wanted], None, NOW)
        with pytest.raises(Refused, match="everyone"):
            give(giver, EVERYONE, [wanted], None, NOW)
        with pytest.raises(Refused):
            take(giver, theirs, NOW, answers=False)


def test_a_power_with_an_end_gives_until_that_end_at_most() -> None:
    image = thing(ResourceKind.IMAGE)
    giver = Giver(acting("ops"), image, [power(Action.MANAGE_IMAGES, NOW + DAY)])
    assert give(giver, CAROL, [Action.USE], NOW + DAY, NOW)
    for end in (None, NOW + 2 * DAY):
        with pytest.raises(Refused, match="until then at most"):
            give(giver, CAROL, [Action.USE], end, NOW)


def test_nobody_hands_a_power_on_and_none_goes_to_whom_others_choose() -> None:
    mine = [power(one.action) for one in Power]
    with pytest.raises(Refused):
        give(Giver(acting("ops"), THE_SITE, mine), CAROL, [Action.SUPPORT], None, NOW)
    root = Giver(acting(admin=True), THE_SITE, [])
    with pytest.raises(Invalid):
        give(root, CAROL, [Action.GRANT], None, NOW)
    for many in (EVERYONE, Subject(kind="portal_group", name="survey")):
        with pytest.raises(Refused, match="people and groups of the directory"):
            give(root, many, [Action.SUPPORT], None, NOW)
        with pytest.raises(Invalid, match="people and groups of the directory"):
            check(Site(grants=(power(Action.SUPPORT, subject=many),)))


def test_a_grant_on_another_site_leads_nowhere() -> None:
    there = Grant(subject=CAROL, action=Action.SUPPORT, resource=Resource(kind="site", name="other"))
    assert not powers(acting("ops"), [there.model_copy(update={"subject": OPS})], NOW)
    assert loose(Site(grants=(there, power(Action.SUPPORT)))) == [
        "a grant to user carol names site other, which is not there"
    ]


def test_it_is_explained_by_the_way_the_power_takes() -> None:
    image, mine = thing(ResourceKind.IMAGE), [power(Action.MANAGE_IMAGES)]
    asked = Question("bob", Action.GRANT, image, "bob", edges=[(Subject(kind="user", name="bob"), OPS)])
    told = explain(asked, decide(acting("ops"), Action.GRANT, image, mine, NOW))
    assert told.sentence == (
        "You are in directory group ops, which root1 granted manage_images (which includes grant)"
        " on the site."
    )


@given(
    st.lists(
        st.builds(
            lambda one, who, hours: power(
                one.action, None if hours is None else NOW + timedelta(hours=hours), who
            ),
            st.sampled_from(Power),
            st.sampled_from(
                [OPS, CAROL, Subject(kind="group", name="other"), Subject(kind="user", name="bob")]
            ),
            st.sampled_from([None, -1, 0, 1]),
        )
    )
)
def test_powers_are_what_live_grants_to_oneself_say_whatever_else_stands(grants: list[Grant]) -> None:
    mine = {OPS, Subject(kind="user", name="bob")}
    live = {str(one.action) for one in grants if one.subject in mine and one.lives(NOW)}
    assert {str(one) for one in powers(acting("ops"), grants, NOW)} == live
