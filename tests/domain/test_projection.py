"""What grants want on disk: rules that hold for any inode, and the cases they were made for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.acl import Acl, Entry, Inode, Named, Tag, allows
from sciserver_hpc.domain.files import FileKind
from sciserver_hpc.domain.projection import Drift, Projection, drift, passage, project, wanted

ALICE, BOB, CAROL, DAVE = (Named(tag=Tag.USER, id=number) for number in (1, 2, 3, 4))
LAB, CLASS = (Named(tag=Tag.GROUP, id=number) for number in (11, 12))
EVERYBODY = (ALICE, BOB, CAROL, DAVE, LAB, CLASS)

bits = st.integers(0, 7)
people = st.tuples(st.integers(1, 6), st.frozensets(st.integers(10, 14), max_size=3))


@st.composite
def acls(draw: st.DrawFn) -> Acl:
    """Any ACL; one that names somebody has a mask, as the kernel demands."""
    rights = draw(st.dictionaries(st.sampled_from(EVERYBODY), bits, max_size=4))
    named = tuple(Entry(named=named, bits=right) for named, right in rights.items())
    mask = draw(bits) if named else draw(st.none() | bits)
    return Acl(user=draw(bits), group=draw(bits), other=draw(bits), mask=mask, named=named)


@st.composite
def inodes(draw: st.DrawFn) -> Inode:
    """Any file or directory."""
    kind = draw(st.sampled_from([FileKind.FILE, FileKind.DIRECTORY]))
    access = draw(acls())
    middle = access.group if access.mask is None else access.mask
    special = draw(st.sampled_from([0, 0o2000, 0o4000]))
    mode = special | access.user << 6 | middle << 3 | access.other
    default = draw(st.none() | acls()) if kind is FileKind.DIRECTORY else None
    uid, gid = draw(st.integers(1, 5)), draw(st.integers(10, 13))
    return Inode(kind=kind, uid=uid, gid=gid, mode=mode, access=access, default=default)


@st.composite
def projections(draw: st.DrawFn) -> Projection:
    """Of any grants, over ones too."""
    granted = draw(st.dictionaries(st.sampled_from(EVERYBODY), st.booleans(), max_size=4))
    held = draw(st.sets(st.sampled_from(EVERYBODY), max_size=3))
    found = project(ALICE.id, granted, {}, held)
    return found if draw(st.booleans()) else passage([found])


def of(granted: Mapping[Named, bool], *held: Named) -> Projection:
    return project(ALICE.id, granted, {}, held)


def file(mode: int, uid: int = ALICE.id) -> Inode:
    access = Acl(user=mode >> 6 & 7, group=mode >> 3 & 7, other=mode & 7)
    return Inode(kind=FileKind.FILE, uid=uid, gid=10, mode=mode, access=access)


def folder(mode: int) -> Inode:
    return file(mode).model_copy(update={"kind": FileKind.DIRECTORY})


def is_asleep(acl: Acl) -> bool:
    """The kernel does not look at it; it does, once somebody is granted something."""
    return acl.mask == 0 and bool(acl.named)


@given(projections(), inodes(), people, bits)
def test_who_is_not_meant_keeps_exactly_what_they_had(
    projection: Projection, found: Inode, person: tuple[int, frozenset[int]], asked: int
) -> None:
    """Who was named in an ACL that slept may lose what others have; nobody ever gains."""
    uid, gids = person
    acting = {Named(tag=Tag.USER, id=uid), *(Named(tag=Tag.GROUP, id=gid) for gid in gids)}
    if uid == found.uid or not acting & projection.ours:
        before, after = (allows(one, uid, gids, asked) for one in (found, wanted(projection, found)))
        assert after == before or (before and is_asleep(found.access))


@given(projections(), inodes(), bits)
def test_who_is_granted_has_it_and_no_more(projection: Projection, found: Inode, asked: int) -> None:
    after = wanted(projection, found)
    everybody = found.access.effective(found.access.group) & found.access.other
    runs = found.kind is FileKind.DIRECTORY or (found.access.user & 1 and not found.mode & 0o6000)
    for entry in projection.entries if projection.inherit or found.kind is FileKind.DIRECTORY else ():
        may = (entry.bits if runs else entry.bits & 6) | everybody
        if entry.named.tag is Tag.USER and entry.named.id != found.uid:
            assert allows(after, entry.named.id, [], asked) == (asked & ~may == 0)
        if entry.named.tag is Tag.GROUP and not asked & ~may:
            assert allows(after, 999, [entry.named.id], asked)


@given(projections(), inodes())
def test_applying_once_is_enough(projection: Projection, found: Inode) -> None:
    after = wanted(projection, found)
    assert drift(projection, after) <= {Drift.FOREIGN}
    assert wanted(projection, after) == after


@given(projections(), inodes())
def test_only_drift_of_ours_is_a_reason_to_change(projection: Projection, found: Inode) -> None:
    assert (wanted(projection, found) == found) == (drift(projection, found) <= {Drift.FOREIGN})


@given(projections(), inodes(), people, bits)
def test_revoking_gives_back_what_was(
    projection: Projection, found: Inode, person: tuple[int, frozenset[int]], asked: int
) -> None:
    """Where nobody of ours was named before, all rights are as they were: new files start as they did."""
    over = projection.model_copy(update={"entries": ()})
    named = {*found.access.rights, *(found.default.rights if found.default else ())}
    if not named & projection.ours:
        after = wanted(over, wanted(projection, found))
        uid, gids = person
        was = allows(found, uid, gids, asked)
        assert allows(after, uid, gids, asked) == was or (was and is_asleep(found.access))
        assert (after.default is None) == (found.default is None or _is_fresh(found.default))


def _is_fresh(acl: Acl) -> bool:
    return not acl.named and (acl.user, acl.effective(acl.group), acl.other) == (7, 0, 0)


@given(projections(), inodes(), st.integers(0, 0o777))
def test_under_our_default_acl_no_file_is_wider_than_its_mode(
    projection: Projection, found: Inode, mode: int
) -> None:
    """No umask counts there: a file made 0600 must be private to all who are granted nothing."""
    after = wanted(projection, found)
    if found.default is None and after.default is not None:
        group, other = after.default.effective(after.default.group) & mode >> 3, after.default.other & mode
        assert (group, other) == (0, 0)


def test_reading_and_writing() -> None:
    after = wanted(of({BOB: True, LAB: False}), file(0o640))
    assert after.access.rights == {BOB: 6, LAB: 4}
    assert (after.access.group, after.access.mask, after.mode) == (4, 6, 0o660)
    directory = wanted(of({BOB: True, LAB: False}), folder(0o700))
    assert directory.access.rights == {BOB: 7, LAB: 5}
    assert directory.default is not None
    assert directory.default.rights == {ALICE: 7, BOB: 7, LAB: 5}


def test_files_are_executable_where_their_owner_executes_them() -> None:
    assert wanted(of({BOB: False}), file(0o744)).access.rights == {BOB: 5}
    assert wanted(of({BOB: False}), file(0o644)).access.rights == {BOB: 4}


@pytest.mark.parametrize("mode", [0o4700, 0o2700])
def test_nobody_is_given_a_program_that_runs_as_its_owner(mode: int) -> None:
    assert wanted(of({BOB: True}), file(mode)).access.rights == {BOB: 6}


def test_a_wider_mask_widens_neither_the_owning_group_nor_strangers() -> None:
    """chmod 600 on a file with an ACL cuts by the mask alone; ours has to be widened again."""
    access = Acl(user=6, group=6, other=0, mask=0, named=(Entry(named=DAVE, bits=7),))
    found = file(0o600).model_copy(update={"access": access})
    after = wanted(of({BOB: False}), found).access
    assert (after.group, after.mask, after.rights) == (0, 4, {BOB: 4, DAVE: 0})


def test_a_mask_never_becomes_empty() -> None:
    """Dave is shut out by alice's own doing; the kernel must go on looking at that when bob's grant ends."""
    access = Acl(
        user=6, group=0, other=4, mask=4, named=(Entry(named=DAVE, bits=0), Entry(named=BOB, bits=4))
    )
    found = file(0o644).model_copy(update={"access": access})
    after = wanted(of({}, BOB), found)
    assert (after.access.mask, after.access.rights) == (4, {DAVE: 0})
    assert not allows(after, DAVE.id, [], 4)


def test_a_chmod_that_cuts_a_grant_is_narrower() -> None:
    shared = wanted(of({BOB: True}), file(0o600))
    cut = shared.model_copy(update={"access": shared.access.model_copy(update={"mask": 4}), "mode": 0o640})
    assert drift(of({BOB: True}), cut) == {Drift.NARROWER}
    assert wanted(of({BOB: True}), cut) == shared


def test_what_a_new_file_inherits_is_in_order() -> None:
    """The kernel copies the directory's entries whole and lets the mask cut them to the mode asked for."""
    projection = of({BOB: False, CAROL: True})
    default = wanted(projection, folder(0o700)).default
    assert default is not None
    made = file(0o660).model_copy(update={"access": default.model_copy(update={"user": 6, "mask": 6})})
    assert drift(projection, made) == set()
    assert drift(of({}, BOB, CAROL), made) == {Drift.EXTRA}


def test_an_entry_that_a_chmod_would_widen_is_too_wide_already() -> None:
    access = Acl(user=6, group=0, other=0, mask=4, named=(Entry(named=BOB, bits=6),))
    found = file(0o640).model_copy(update={"access": access})
    assert drift(of({BOB: False}), found) == {Drift.WIDER}


def test_a_grant_takes_nothing_away() -> None:
    """To be named is not to fall below what everybody may: passing through a public directory."""
    way = passage([of({BOB: False})])
    assert wanted(way, folder(0o755)).access.rights == {BOB: 5}
    assert wanted(way, folder(0o711)).access.rights == {BOB: 1}
    assert wanted(way, folder(0o700)).access.rights == {BOB: 1}
    assert wanted(way, folder(0o700)).default is None


def test_foreign_entries_are_told_and_left() -> None:
    access = Acl(
        user=6, group=0, other=0, mask=7, named=(Entry(named=DAVE, bits=6), Entry(named=BOB, bits=4))
    )
    found = file(0o670).model_copy(update={"access": access})
    assert drift(of({BOB: False}), found) == {Drift.FOREIGN}
    assert wanted(of({BOB: False}), found) == found
    assert wanted(of({}, BOB), found).access.rights == {DAVE: 6}


def test_a_user_has_what_his_groups_have() -> None:
    """The kernel looks at a named user's entry alone."""
    members = {LAB.id: [BOB.id, DAVE.id], CLASS.id: [CAROL.id]}
    found = project(ALICE.id, {BOB: False, LAB: True, CAROL: False}, members)
    assert {entry.named: entry.bits for entry in found.entries} == {ALICE: 7, BOB: 7, CAROL: 5, LAB: 7}


def test_an_owner_needs_no_grant() -> None:
    assert of({ALICE: True}).entries == ()
    assert ALICE in of({}).ours


def test_what_others_make_is_the_owners_to_use() -> None:
    after = wanted(of({BOB: True}), file(0o600, uid=BOB.id))
    assert after.access.rights == {ALICE: 6}


def test_the_way_to_two_volumes_is_for_the_people_of_both() -> None:
    way = passage([of({BOB: True}), of({LAB: False}, CAROL)])
    assert {entry.named: entry.bits for entry in way.entries} == {ALICE: 1, BOB: 1, LAB: 1}
    assert CAROL in way.ours
    assert not way.inherit
