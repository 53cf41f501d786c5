"""A site's file applied, told, and not twice."""

from __future__ import annotations

import pytest

from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.errors import Conflict, Invalid
from sciserver_hpc.domain.groups import user
from sciserver_hpc.domain.limits import Limit
from sciserver_hpc.services.applying import Applying

from .world import ALICE, BATCH, BOB, SITE, World, grant

SURVEY = Subject(kind="portal_group", name="survey")
NEW = SITE.model_copy(
    update={
        "domains": (BATCH,),
        "grants": (*SITE.grants[1:], grant(Action.USE, "domain", "batch", SURVEY)),
        "limits": (Limit(subject=SURVEY, jobs=3),),
    }
)


@pytest.fixture
def applying(world: World) -> Applying:
    return Applying(world.store, world.clock)


def test_what_was_agreed_to_is_applied_and_told(world: World, applying: Applying) -> None:
    found = applying.differences(NEW)
    assert [str(one.sign) for one in found] == ["-", "-", "+", "+", "-"]
    applying.apply(NEW, "root", found)
    assert applying.differences(NEW) == []
    assert [domain.name for domain in world.store.domains()] == ["batch"]
    told = world.store.audit()[::-1]
    assert [(entry.who, entry.act, entry.on) for entry in told] == [
        ("root", one.act, one.on) for one in found
    ]


def test_nothing_to_change_leaves_no_trace(world: World, applying: Applying) -> None:
    before = world.store.shares_on(SITE.grants[0].resource)
    applying.apply(SITE, "root", [])
    assert world.store.audit() == []
    assert world.store.shares_on(SITE.grants[0].resource) == before


def test_what_changed_meanwhile_is_not_overwritten(world: World, applying: Applying) -> None:
    found = applying.differences(NEW)
    world.store.apply_site(SITE.model_copy(update={"domains": ()}))
    with pytest.raises(Conflict, match="look at the difference again"):
        applying.apply(NEW, "root", found)
    assert world.store.domains() == world.store.limits() == world.store.audit() == []


def test_peoples_grants_stay(world: World, applying: Applying) -> None:
    world.store.remember_person(ALICE)
    shared = Resource(kind="user_volume", name="Storage/bob/private")
    (given,) = world.sharing.give(Asker(BOB), shared, user("alice"), [Action.READ])
    empty = SITE.model_copy(update={"grants": ()})
    applying.apply(empty, "root", applying.differences(empty))
    assert world.store.shares_on(shared) == [given]
    assert world.store.site().grants == ()


def test_a_site_that_is_not_well_formed_is_not_compared(applying: Applying) -> None:
    twice = SITE.model_copy(update={"domains": (BATCH, BATCH)})
    with pytest.raises(Invalid, match="batch is there twice"):
        applying.differences(twice)
    with pytest.raises(Invalid, match="batch is there twice"):
        applying.apply(twice, "root", [])
