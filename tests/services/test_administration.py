"""Powers over the site, each with what it opens and with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.domain.access import EVERYONE, THE_SITE, Action, Resource, Subject
from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.errors import NotFound, Refused
from sciserver_hpc.domain.groups import Accessibility, Role
from sciserver_hpc.domain.people import Person
from sciserver_hpc.services.explaining import Explaining

from .world import ALICE, BOB, CAROL, World

ROOT = Person(username="root1", uid=2009, gid=2009, admin=True)
BOBS, CAROLS, ASTRO = (
    Subject(kind=kind, name=name) for kind, name in (("user", "bob"), ("user", "carol"), ("group", "astro"))
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Carol owns the private group team; nobody has any power but root1."""
    made = World(tmp_path)
    for person in (ALICE, BOB, CAROL, ROOT):
        made.store.remember_person(person)
    made.people.people["root1"] = ROOT
    made.groups.create(Asker(CAROL), "team", "", Accessibility.PRIVATE)
    yield made
    made.store.close()


def give(world: World, power: Power, to: Subject = BOBS, **more: Any) -> None:
    world.sharing.give(Asker(ROOT), THE_SITE, to, [power.action], **more)


def test_a_power_comes_by_grant_to_a_person_or_a_directory_group_and_goes_again(world: World) -> None:
    assert world.administration.powers(ROOT) == set(Power)
    assert not world.administration.powers(BOB)
    give(world, Power.SUPPORT)
    give(world, Power.READ_AUDIT, ASTRO, expires=world.clock.now() + timedelta(hours=1))
    assert world.administration.powers(BOB) == {Power.SUPPORT}
    assert world.administration.powers(ALICE) == {Power.READ_AUDIT}
    world.sharing.revoke(Asker(ROOT), THE_SITE, BOBS)
    world.clock.advance(3600)
    assert not world.administration.powers(BOB)
    assert not world.administration.powers(ALICE)
    assert [entry.act for entry in world.store.audit(on=THE_SITE)] == ["revoke", "grant", "grant"]


def test_what_is_missing_is_said(world: World) -> None:
    with pytest.raises(Refused, match=r"power manage_images .* ask an administrator"):
        world.administration.demand(BOB, Power.MANAGE_IMAGES)
    world.administration.demand(ROOT, Power.MANAGE_IMAGES)


def test_only_the_directorys_administrators_give_powers(world: World) -> None:
    for power in Power:
        give(world, power)
    for subject in (CAROLS, ASTRO):
        with pytest.raises(Refused):
            world.sharing.give(Asker(BOB), THE_SITE, subject, [Action.SUPPORT])
    for subject in (EVERYONE, Subject(kind="portal_group", name="team")):
        with pytest.raises(Refused, match="hand the power on"):
            give(world, Power.SUPPORT, subject)


def on(kind: str, name: str) -> Resource:
    return Resource(kind=kind, name=name)


def repairs_groups(world: World) -> None:
    world.groups.members(BOB, "team")
    world.groups.invitations(BOB, "team")
    world.audit.entries(BOB, on("group", "team"))
    world.groups.describe(Asker(BOB), "team", "repaired")
    world.groups.invite(Asker(BOB), "team", ASTRO)
    world.groups.remove(Asker(BOB), "team", ASTRO)
    world.groups.invite(Asker(BOB), "team", Subject(kind="user", name="alice"), Role.ADMIN)


def asks_about_others(world: World) -> None:
    explaining = Explaining(world.store, world.people, world.clock, world.site)
    explaining.explain(BOB, "alice", Action.READ, on("user_volume", "Storage/alice/persistent"))


def reads_all(world: World) -> None:
    if "group.create" not in {entry.act for entry in world.audit.entries(BOB)}:
        raise Refused({"the trail": "is cut"})


def gives(kind: str, name: str, action: Action) -> Callable[[World], object]:
    return lambda world: world.sharing.give(Asker(BOB), on(kind, name), EVERYONE, [action], dry_run=True)


DEEDS: dict[str, tuple[Power, Callable[[World], object]]] = {
    "a domain": (Power.MANAGE_DOMAINS, gives("domain", "closed", Action.USE)),
    "an image": (Power.MANAGE_IMAGES, gives("image", "hidden", Action.USE)),
    "a root volume": (Power.MANAGE_VOLUMES, gives("root_volume", "Storage", Action.CREATE)),
    "groups": (Power.MANAGE_GROUPS, repairs_groups),
    "the whole trail": (Power.READ_AUDIT, reads_all),
    "why others may": (Power.READ_AUDIT, asks_about_others),
}


@pytest.mark.parametrize("power", Power)
@pytest.mark.parametrize("deed", DEEDS)
def test_a_power_opens_what_it_is_for_and_nothing_else(world: World, deed: str, power: Power) -> None:
    needed, act = DEEDS[deed]
    give(world, power)
    if power is needed:
        act(world)
    else:
        with pytest.raises((Refused, NotFound)):
            act(world)


def test_each_sees_the_things_they_give_rights_to(world: World) -> None:
    with pytest.raises(Refused):
        world.sharing.of_the_site(BOB)
    give(world, Power.MANAGE_VOLUMES)
    assert {thing.kind for thing in world.sharing.of_the_site(BOB)} <= {"data_volume", "root_volume"}
    give(world, Power.MANAGE_IMAGES)
    assert "image" in {thing.kind for thing in world.sharing.of_the_site(BOB)}


def test_who_has_the_power_takes_back_what_others_gave_and_only_there(world: World) -> None:
    image, domain = on("image", "hidden"), on("domain", "closed")
    for thing in (image, domain):
        world.sharing.give(Asker(ROOT), thing, CAROLS, [Action.USE])
    give(world, Power.MANAGE_IMAGES)
    assert world.sharing.revoke(Asker(BOB), image, CAROLS)
    with pytest.raises(Refused):
        world.sharing.revoke(Asker(BOB), domain, CAROLS)


def test_why_tells_of_a_power_by_the_way_it_takes(world: World) -> None:
    explaining = Explaining(world.store, world.people, world.clock, world.site)
    give(world, Power.SUPPORT)
    told = explaining.explain(BOB, "bob", Action.SUPPORT, THE_SITE)
    assert (told.allowed, told.sentence) == (True, "root1 granted you support on the site.")
    assert not explaining.explain(CAROL, "carol", Action.SUPPORT, THE_SITE).allowed
    told = explaining.explain(ROOT, "root1", Action.SUPPORT, THE_SITE)
    assert told.sentence == "You are an administrator of this site."
