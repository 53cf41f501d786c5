"""One entry of the declaration edited: shown, told, refused where something depends on it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.catalogue import Image, ImageDraft, Site
from sciserver_hpc.domain.declaration import read, written
from sciserver_hpc.domain.differences import differences
from sciserver_hpc.domain.errors import Conflict, Invalid, NotFound, Refused
from sciserver_hpc.domain.groups import user
from sciserver_hpc.domain.limits import Limit
from sciserver_hpc.domain.sections import PARTS, Disable, Edit, Put, Remove, Section
from sciserver_hpc.domain.volumes import DataVolume
from sciserver_hpc.image_files import ImageFiles
from sciserver_hpc.services.administering import Administering
from sciserver_hpc.services.administration import Administration
from sciserver_hpc.services.applying import Applying
from sciserver_hpc.services.editing import Editing
from tests.domain.test_declaration import SITES

from .world import ALICE, BATCH, BOB, SITE, World, shell

SIF = b"#!/usr/bin/env run-singularity\n".ljust(32, b"\0") + b"SIF_MAGIC\0"
MORE = BATCH.model_copy(update={"limits": BATCH.limits.model_copy(update={"cpus": 32})})


@pytest.fixture
def editing(world: World) -> Editing:
    return Editing(world.store, world.clock, ImageFiles())


def make(editing: Editing, edit: Edit, who: str = "root") -> None:
    editing.save(edit, who, editing.propose(edit).mark)


@pytest.mark.parametrize(
    "edit",
    [
        Put(MORE),
        Put(DataVolume(name="new", path="/data/new"), new=True),
        Put(Limit(subject=Subject(kind="group", name="astro"), jobs=3)),
        Remove(Section.IMAGES, "r"),
        Remove(Section.VOLUMES, "sdss"),
        Disable(Section.DOMAINS, "batch"),
        Disable(Section.IMAGES, "python"),
    ],
    ids=str,
)
def test_an_edit_is_an_apply_of_the_changed_declaration(world: World, editing: Editing, edit: Edit) -> None:
    applying, changed = Applying(world.store, world.clock), edit.made(world.store.site())
    expected = applying.differences(changed)
    assert list(editing.propose(edit).differences) == expected
    make(editing, edit, "root1")
    assert differences(world.store.site(), changed) == []
    told = world.store.audit()[::-1]
    assert [(entry.who, entry.act, entry.on, entry.detail) for entry in told] == [
        ("root1", one.act, one.on, one.detail) for one in expected
    ]


def test_a_difference_is_told_as_it_is_read(editing: Editing) -> None:
    (found,) = editing.propose(Put(MORE)).differences
    assert found.changes == (f"limits.cpus: {BATCH.limits.cpus} → 32",)


def test_what_changed_meanwhile_is_not_overwritten(world: World, editing: Editing) -> None:
    seen = editing.propose(Put(MORE)).mark
    world.apply(domains=(BATCH.model_copy(update={"partition": "other"}),))
    with pytest.raises(Conflict, match="look at the difference again"):
        editing.save(Put(MORE), "root", seen)
    assert world.store.audit() == []


def test_an_image_that_is_added_is_the_one_that_was_agreed_to(
    world: World, editing: Editing, tmp_path: Path
) -> None:
    path = tmp_path / "new.sif"
    path.write_bytes(SIF)
    draft = ImageDraft(name="new", version="1", path=str(path))
    seen = editing.propose(Put(editing.entered(draft), new=True)).mark
    path.write_bytes(SIF + b"another")
    with pytest.raises(Conflict, match="look at the difference again"):
        editing.save(Put(editing.entered(draft), new=True), "root", seen)
    assert "new" not in {image.name for image in world.store.images()}


def test_a_name_that_is_taken_is_not_added_again(editing: Editing) -> None:
    with pytest.raises(Conflict, match="There is a domain batch already"):
        editing.propose(Put(MORE, new=True))


def test_what_is_not_there_is_not_removed(editing: Editing) -> None:
    with pytest.raises(NotFound, match="There is no image nope"):
        editing.propose(Remove(Section.IMAGES, "nope"))


@pytest.mark.parametrize(
    "edit",
    [Remove(Section.DOMAINS, "batch"), Remove(Section.IMAGES, "python"), Remove(Section.ROOTS, "Temporary")],
    ids=str,
)
def test_what_an_unfinished_job_needs_stays(world: World, editing: Editing, edit: Remove) -> None:
    before = world.store.site()
    world.jobs.submit(ALICE, shell(domain="batch", image="python"))
    with pytest.raises(Refused, match="1 unfinished job needs"):
        make(editing, edit)
    assert world.store.site() == before
    assert world.store.audit() == []


def test_a_disabled_image_warns_of_the_jobs_that_wait_with_it(world: World, editing: Editing) -> None:
    world.jobs.submit(ALICE, shell(domain="batch", image="python"))
    (note,) = editing.propose(Disable(Section.IMAGES, "python")).notes
    assert note.startswith("1 unfinished job needs image python in domain batch")
    assert editing.propose(Disable(Section.DOMAINS, "batch")).notes == ()


def test_a_root_volume_with_volumes_in_it_stays(world: World, editing: Editing) -> None:
    world.store.add_user_volume("Storage", "alice", "mine", "")
    with pytest.raises(Refused, match=r"user volumes? in root volume Storage"):
        make(editing, Remove(Section.ROOTS, "Storage"))


def test_grants_of_people_on_what_goes_are_told(world: World, editing: Editing) -> None:
    world.store.remember_person(BOB)
    admin = Asker(ALICE.model_copy(update={"admin": True}))
    world.sharing.give(admin, Resource(kind="image", name="r"), user("bob"), [Action.USE])
    assert editing.propose(Remove(Section.IMAGES, "r")).notes == (
        "1 grant that people made on image r will mean nothing until it is back",
    )


def test_a_limit_for_a_group_nobody_knows_is_told(editing: Editing) -> None:
    limit = Limit(subject=Subject(kind="portal_group", name="surevy"), jobs=3)
    assert editing.propose(Put(limit)).notes == ("group surevy is not known here so far",)
    assert editing.propose(Put(Limit(subject=Subject(kind="everyone"), jobs=3))).notes == ()


def test_names_that_lead_nowhere_are_told(editing: Editing) -> None:
    found = editing.propose(Put(BATCH.model_copy(update={"images": ("python", "pyton")})))
    assert "domain batch names image pyton, which is not there" in found.notes


def draft(path: Path, **fields: str) -> ImageDraft:
    return ImageDraft.model_validate({"name": "new", "version": "1", "path": str(path)} | fields)


def test_an_images_numbers_are_its_files(editing: Editing, tmp_path: Path) -> None:
    file = tmp_path / "new.sif"
    file.write_bytes(SIF)
    found = editing.entered(draft(file))
    digest = hashlib.sha256(SIF).hexdigest()
    assert (found.sha256, found.size, found.mtime_ns) == (digest, len(SIF), file.stat().st_mtime_ns)
    assert editing.entered(draft(file, sha256=digest)) == found
    with pytest.raises(Invalid, match="the file's digest is another"):
        editing.entered(draft(file, sha256="0" * 64))


def test_a_catalogued_file_that_changed_is_refused_unless_its_digest_is_given(
    editing: Editing, tmp_path: Path
) -> None:
    file = tmp_path / "new.sif"
    file.write_bytes(SIF)
    make(editing, Put(editing.entered(draft(file))))
    file.write_bytes(SIF + b"other")
    with pytest.raises(Invalid, match="changed since it was catalogued"):
        editing.entered(draft(file, title="New words"))
    found = editing.entered(draft(file, sha256=hashlib.sha256(SIF + b"other").hexdigest()))
    assert isinstance(found, Image) and found.size == len(SIF) + 5


def test_what_is_no_image_is_refused(editing: Editing, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no image")
    os.mkfifo(tmp_path / "pipe")
    wrong = {"text": "no SIF file", "pipe": "is no file", "": "Is a directory", "nope": "No such file"}
    for path, words in wrong.items():
        with pytest.raises(Invalid, match=words):
            editing.entered(draft(tmp_path / path))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SITES)
def test_apply_then_export_then_apply_changes_nothing(world: World, site: Site) -> None:
    applying = Applying(world.store, world.clock)
    applying.apply(site, "root", applying.differences(site))
    exported = written(world.store.site())
    again = read(exported, "site.toml")
    assert applying.differences(again) == []
    applying.apply(again, "root", [])
    assert written(world.store.site()) == exported


@pytest.mark.parametrize("section", list(Section))
def test_each_part_takes_its_power(world: World, editing: Editing, section: Section) -> None:
    world.store.remember_person(BOB)
    administration = Administration(world.store, world.clock)
    administering = Administering(world.store, editing, administration)
    edit = {
        Section.DOMAINS: Put(MORE),
        Section.IMAGES: Remove(Section.IMAGES, "r"),
        Section.VOLUMES: Remove(Section.VOLUMES, "sdss"),
        Section.ROOTS: Put(SITE.root_volumes[0].model_copy(update={"description": "new"})),
        Section.LIMITS: Put(Limit(subject=Subject(kind="everyone"), jobs=3)),
    }[section]
    power = PARTS[section].power
    others = [one.action for one in Power if one is not power]
    admin = Asker(ALICE.model_copy(update={"admin": True}))
    the_site = Resource(kind="site", name="site")
    world.sharing.give(admin, the_site, user("bob"), others)
    seen = editing.propose(edit).mark
    for attempt in (
        lambda: administering.entries(BOB, section),
        lambda: administering.propose(BOB, edit),
        lambda: administering.save(Asker(BOB), edit, seen),
    ):
        with pytest.raises(Refused, match=power):
            attempt()
    world.sharing.give(admin, the_site, user("bob"), [power.action])
    administering.save(Asker(BOB, "r1"), edit, administering.propose(BOB, edit).mark)
    assert {(entry.who, entry.request_id) for entry in world.store.audit(limit=1)} == {("bob", "r1")}
