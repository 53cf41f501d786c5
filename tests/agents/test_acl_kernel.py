"""After an apply, what the kernel lets each person do is what the grants say."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sciserver_hpc.agent import acl
from sciserver_hpc.domain.acl import Entry, Inode, Named, Tag, allows
from sciserver_hpc.domain.projection import Projection, passage, project
from tests.domain.test_projection import is_asleep

from .people import ALICE, BOB, CAROL, CLASS, DAVE, EVE, LAB, Person, all_rights, doing, person, rights

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becoming other people takes root")

alice, bob, carol, dave, eve = (
    person(ALICE),
    person(BOB),
    person(CAROL, LAB),
    person(DAVE, LAB, CLASS),
    person(EVE, ALICE),  # in the owning group
)
PEOPLE = (alice, bob, carol, dave, eve)
USERS = tuple(Named(tag=Tag.USER, id=who.uid) for who in PEOPLE[1:])
GROUPS = tuple(Named(tag=Tag.GROUP, id=gid) for gid in (LAB, CLASS))
MEMBERS = {LAB: [CAROL, DAVE], CLASS: [DAVE]}

modes = st.integers(0, 0o777)
grants = st.dictionaries(st.sampled_from([*USERS, *GROUPS]), st.booleans(), max_size=4)
own_doings = st.dictionaries(st.sampled_from(USERS), st.integers(0, 7), max_size=2)


class Storage:
    """A root volume with alice's directory and one volume in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home, self.volume = path / "alice", path / "alice" / "vol"
        path.chmod(0o755)
        doing(Person(0, (0,)), os.mkdir, str(self.home))
        os.chown(self.home, ALICE, ALICE)
        self.home.chmod(0o700)
        doing(alice, os.mkdir, str(self.volume), 0o700)

    def apply(self, projection: Projection, by: Person = alice, path: str = "alice/vol") -> dict[str, Any]:
        """The whole walk in one slice."""
        given = projection.model_dump(mode="json")
        found = doing(by, acl.apply, str(self.path), path, given, "", 1000, 10_000)
        assert isinstance(found, dict)
        return found

    def share(self, granted: dict[Named, bool], held: dict[Named, bool] | None = None) -> dict[str, Any]:
        """Volume and the way to it."""
        projection = project(ALICE, granted, MEMBERS, held or {})
        self.apply(passage([projection]), path="alice")
        return self.apply(projection)

    def inode(self, path: Path) -> Inode:
        """As the agent shows it."""
        return Inode.model_validate(acl.show(str(self.path), str(path.relative_to(self.path))))

    def rights(self, who: Person, path: Path) -> int:
        """What they can really do."""
        found = doing(who, rights, str(path))
        assert isinstance(found, int)
        return found


@pytest.fixture
def storage(place: Path) -> Storage:
    place.chmod(0o711)
    (place / "Storage").mkdir()
    return Storage(place / "Storage")


def set_umask(mask: int) -> None:
    os.umask(mask)


@pytest.fixture
def umask() -> Iterator[Callable[[int], None]]:
    before = os.umask(0o022)
    yield set_umask
    os.umask(before)


def write(path: str, mode: int = 0o666) -> None:
    """Make a file as programs do."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))


def set_entries(paths: list[Path], entries: dict[int, int]) -> None:
    """A person's own setfacl."""
    if entries:
        words = ",".join(f"u:{uid}:{bits}" for uid, bits in entries.items())
        subprocess.run(["setfacl", "-m", words, *map(str, paths)], check=True)


def model(who: Person, granted: dict[Named, bool], runs: bool) -> int:
    """The grants' own meaning, told anew: what somebody may who has nothing else."""
    mine = [Named(tag=Tag.USER, id=who.uid), *(Named(tag=Tag.GROUP, id=gid) for gid in who.gids)]
    found = [granted[named] for named in mine if named in granted]
    return (6 if any(found) else 4 if found else 0) | (1 if found and runs else 0)


@settings(max_examples=100, deadline=None)
@given(grants, grants, modes, modes, modes, own_doings)
@example({}, {}, 0o700, 0o700, 0o701, {USERS[0]: 0}).via("an empty mask")
def test_the_kernel_and_the_model_agree(
    granted: dict[Named, bool],
    earlier: dict[Named, bool],
    folder_mode: int,
    mode: int,
    changed: int,
    foreign: dict[Named, int],
) -> None:
    """Any modes, earlier grants, entries of the owner's own and a chmod in between: for every person the
    kernel answers as `allows` does, who is granted has it, and who is not keeps what they had."""
    with tempfile.TemporaryDirectory(prefix="sciserver-") as place:
        Path(place).chmod(0o711)
        (Path(place) / "Storage").mkdir()
        storage = Storage(Path(place) / "Storage")
        paths = [storage.volume / "folder", storage.volume / "file"]
        paths[0].mkdir()
        paths[1].touch()
        for path, bits in (
            (storage.home, 0o711),
            (storage.volume, 0o711),
            *zip(paths, (folder_mode, mode), strict=True),
        ):
            os.chown(path, ALICE, ALICE)
            path.chmod(bits)
        set_entries(
            paths, {named.id: bits for named, bits in foreign.items() if named not in earlier | granted}
        )
        storage.apply(project(ALICE, earlier, MEMBERS))
        paths[1].chmod(changed)
        before = [storage.inode(path) for path in paths]
        storage.apply(project(ALICE, granted, MEMBERS, earlier))
        after = [storage.inode(path) for path in paths]
        for who in PEOPLE:
            assert all_told(after, who) == doing(who, all_rights, [str(path) for path in paths])
            _compare(who, before, after, granted, earlier)


def all_told(found: list[Inode], who: Person) -> list[int]:
    """What `allows` says of each."""
    return [sum(bit for bit in (4, 2, 1) if allows(one, who.uid, who.gids, bit)) for one in found]


def _compare(
    who: Person,
    before: list[Inode],
    after: list[Inode],
    granted: dict[Named, bool],
    earlier: dict[Named, bool],
) -> None:
    mine = {Named(tag=Tag.USER, id=who.uid), *(Named(tag=Tag.GROUP, id=gid) for gid in who.gids)}
    if who is alice or not mine & (granted.keys() | earlier.keys()):
        for was, now, one in zip(all_told(before, who), all_told(after, who), before, strict=True):
            assert now == was or (now & ~was == 0 and is_asleep(one.access))
    elif Named(tag=Tag.USER, id=who.uid) in granted:
        everybody = [one.access.effective(one.access.group) & one.access.other for one in before]
        runs = [True, bool(after[1].access.user & 1)]
        expected = [model(who, granted, run) | floor for run, floor in zip(runs, everybody, strict=True)]
        assert all_told(after, who) == expected


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o000])
@pytest.mark.parametrize("maker", [alice, bob])
def test_new_files_inherit_whatever_the_umask(
    storage: Storage, umask: Callable[[int], None], mask: int, maker: Person
) -> None:
    granted = {USERS[0]: True, GROUPS[0]: False}
    storage.share(granted)
    umask(mask)
    doing(maker, os.mkdir, str(storage.volume / "new"), 0o777)
    doing(maker, write, str(storage.volume / "new" / "file"))
    doing(maker, write, str(storage.volume / "new" / "tool"), 0o777)
    paths = [str(storage.volume / "new" / name) for name in ("", "file", "tool")]
    expected = {alice: [7, 6, 7], bob: [7, 6, 7], carol: [5, 4, 5], eve: [0, 0, 0]}
    assert {who: _reached(who, paths) for who in expected} == expected
    verdict = acl.verify(
        str(storage.path), "alice/vol", _json(project(ALICE, granted, MEMBERS)), "", 99, 9999
    )
    assert verdict["drift"] == {}


def _reached(who: Person, paths: list[str]) -> list[int]:
    """Rights at each path, the way included."""
    try:
        found = doing(who, all_rights, paths)
    except AssertionError as error:
        assert "PermissionError" in str(error)
        return [0] * len(paths)
    assert isinstance(found, list)
    return found


def _json(projection: Projection) -> dict[str, Any]:
    return projection.model_dump(mode="json")


def test_a_private_mode_is_cut_by_the_mask_until_the_next_repair(storage: Storage) -> None:
    """Programs that ask for 0600 (mkstemp) get it; a grant on the volume is for all that lies in it."""
    storage.share({USERS[0]: False})
    doing(alice, write, str(storage.volume / "key"), 0o600)
    assert storage.rights(bob, storage.volume / "key") == 0
    report = storage.share({USERS[0]: False})
    assert report["drift"] == {"narrower": 1}
    assert storage.rights(bob, storage.volume / "key") == 4
    assert storage.rights(carol, storage.home) == 0


def test_a_revoked_grant_is_over_on_disk(storage: Storage) -> None:
    doing(alice, write, str(storage.volume / "data"), 0o644)
    granted = {USERS[0]: True, GROUPS[0]: True}
    before = [storage.inode(path) for path in (storage.home, storage.volume, storage.volume / "data")]
    storage.share(granted)
    doing(bob, write, str(storage.volume / "his"))
    assert [storage.rights(who, storage.volume) for who in (bob, carol)] == [7, 7]
    report = storage.share({}, granted)
    paths = [str(storage.volume), str(storage.volume / "data"), str(storage.volume / "his")]
    assert [_reached(who, paths) for who in (bob, carol)] == [[0, 0, 0]] * 2
    assert [storage.inode(path) for path in (storage.home, storage.volume, storage.volume / "data")] == before
    assert report["left"] == {"others": 1}
    assert report["samples"][-1] == {"path": "his", "what": "others"}


def test_what_others_made_is_for_their_own_agent(storage: Storage) -> None:
    granted = {USERS[0]: True}
    storage.share(granted)
    doing(bob, write, str(storage.volume / "his"))
    more = {USERS[0]: True, USERS[1]: False}
    storage.share(more)
    assert storage.rights(carol, storage.volume / "his") == 0
    storage.apply(project(ALICE, more, MEMBERS), by=bob)
    assert [storage.rights(who, storage.volume / "his") for who in (alice, bob, carol)] == [6, 6, 4]
    inode = storage.inode(storage.volume)
    assert (inode.uid, inode.access.rights[USERS[1]]) == (ALICE, 5)


def test_a_guests_file_brought_in_from_elsewhere_is_not_shared(storage: Storage) -> None:
    """alice may move what lies where both may write; that gives nobody what bob keeps to himself."""
    open_to_all = storage.path / "project"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    doing(bob, write, str(open_to_all / "secret"), 0o600)
    granted = {USERS[0]: True, USERS[1]: False}
    storage.share({USERS[0]: True})
    doing(bob, write, str(storage.volume / "his"))
    doing(alice, os.rename, str(open_to_all / "secret"), str(storage.volume / "secret"))
    report = storage.share(granted)
    assert (report["left"], report["guests"]) == ({"others": 2}, [BOB])
    as_guest = project(ALICE, granted, MEMBERS).model_copy(update={"host": ALICE})
    assert storage.apply(as_guest, by=bob)["changed"] == 1
    assert [storage.rights(who, storage.volume / "his") for who in (alice, carol)] == [6, 4]
    assert [storage.rights(who, storage.volume / "secret") for who in (alice, carol)] == [0, 0]


def test_the_way_to_a_volume_shows_nothing_else(storage: Storage) -> None:
    doing(alice, os.mkdir, str(storage.home / "private"), 0o755)
    doing(alice, write, str(storage.home / "notes"), 0o600)
    storage.share({USERS[0]: False})
    assert storage.rights(bob, storage.home) == 1
    assert storage.rights(bob, storage.home / "notes") == 0
    assert storage.rights(bob, storage.volume) == 5
    assert storage.inode(storage.home / "private").access.named == ()
    doing(alice, write, str(storage.home / "later"), 0o666)
    assert storage.inode(storage.home / "later").access.named == ()


def test_somebody_elses_directory_is_not_shared_for_them(storage: Storage) -> None:
    """Nothing of bob's is changed by alice's agent, nor by root's."""
    storage.home.chmod(0o711)
    storage.volume.chmod(0o755)
    for by in (bob, Person(0, (0,))):
        report = storage.apply(project(ALICE, {USERS[0]: True}, {}), by=by)
        assert (report["changed"], report["left"]) == (0, {"others": 1})
    assert storage.inode(storage.volume).access.named == ()


def test_a_setgid_directory_of_a_strange_group_stays_one(storage: Storage) -> None:
    """The kernel clears the bit when an ACL is set by somebody outside the group."""
    strange, usual = storage.volume / "strange", storage.volume / "usual"
    for path, gid in ((strange, LAB), (usual, ALICE)):
        doing(alice, os.mkdir, str(path), 0o700)
        os.chown(path, ALICE, gid)
        path.chmod(0o2770)
    assert storage.share({USERS[0]: False})["left"] == {"setgid": 1}
    assert [path.stat().st_mode & 0o7777 for path in (strange, usual)] == [0o2770, 0o2770]
    assert storage.inode(usual).access.named == (Entry(named=USERS[0], bits=5),)


def test_files_their_owner_may_not_read_are_shared_all_the_same(storage: Storage) -> None:
    doing(alice, write, str(storage.volume / "drop"))
    (storage.volume / "drop").chmod(0o200)
    doing(alice, os.mkdir, str(storage.volume / "closed"), 0o300)
    report = storage.share({USERS[0]: False})
    assert report["left"] == {"denied": 1}  # it cannot be listed
    assert storage.rights(bob, storage.volume / "drop") == 4
    assert storage.rights(bob, storage.volume / "closed") == 5
