"""Walking a volume for its ACLs: nothing outside it changes, and it may be interrupted anywhere."""

from __future__ import annotations

import os
import random
import signal
import socket
import stat
import subprocess
import threading
import tracemalloc
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sciserver_hpc.agent import acl, acl_room, acl_rules, acl_walk, beneath
from sciserver_hpc.agent.problems import Problem
from sciserver_hpc.domain.acl import Named, Tag
from sciserver_hpc.domain.projection import project

from .test_hostile import HARD_NAMES

GRANTED = {Named(tag=Tag.USER, id=60001): True, Named(tag=Tag.GROUP, id=60011): False}
PLAN = project(os.getuid(), GRANTED, {}).model_dump(mode="json")
ROOT = pytest.mark.skipif(os.getuid() != 0, reason="mounting and changing owners takes root")


def walk(
    volume: Path, cursor: str = "", limits: Callable[[], int] = lambda: 1000, verb: Any = acl.apply
) -> dict[str, Any]:
    """All slices; their counts added up."""
    total: dict[str, Any] = {"seen": 0, "changed": 0, "drift": {}, "left": {}, "samples": []}
    while cursor is not None:
        found = verb(str(volume.parent), volume.name, PLAN, cursor, limits(), 10_000)
        cursor = found["cursor"]
        total["seen"] += found["seen"]
        total["changed"] += found["changed"]
        total["samples"] += found["samples"]
        for part in ("drift", "left"):
            for what, count in found[part].items():
                total[part][what] = total[part].get(what, 0) + count
    return total


def state(path: Path) -> tuple[int, bytes | None]:
    """What an ACL change would change."""
    try:
        return path.stat().st_mode, os.getxattr(path, acl.ACCESS)
    except OSError:
        return path.stat().st_mode, None


def is_shared(path: Path) -> bool:
    return state(path)[1] is not None


def tree(top: Path, folders: int, files: int) -> None:
    """`files` empty files in each of `folders` directories."""
    for folder in range(folders):
        (top / f"d{folder}").mkdir(parents=True)
        for file in range(files):
            os.close(os.open(top / f"d{folder}" / f"f{file}", os.O_CREAT | os.O_WRONLY))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def outside(place: Path) -> Path:
    """A file that is nobody's business."""
    path = place / "outside"
    path.mkdir()
    (path / "x").write_text("x")
    return path


def test_links_carry_nothing_out(root: Path, outside: Path, place: Path) -> None:
    (root / "etc").symlink_to(outside)
    (root / "passwd").symlink_to(outside / "x")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "x")
    (root / "up").symlink_to("..")
    paths = [outside, outside / "x", place]
    before = [state(path) for path in paths]
    assert walk(root)["seen"] == 1
    assert [state(path) for path in paths] == before


@pytest.mark.parametrize("swapped", ["file", "folder", "folder/deep"])
def test_swapping_for_a_link_leads_nowhere(root: Path, outside: Path, swapped: str) -> None:
    """While somebody swaps as fast as they can, what lies outside is never touched."""
    (root / "folder" / "deep").mkdir(parents=True)
    (root / "folder" / "x").touch()
    (root / "folder" / "deep" / "x").touch()
    (root / "file").touch()
    (outside / "deep").mkdir()
    (outside / "deep" / "x").touch()
    place, link, kept = root / swapped, root / "link", root / "kept"
    link.symlink_to(outside / "x" if swapped == "file" else outside)
    before = [state(path) for path in (outside, outside / "x", outside / "deep", outside / "deep" / "x")]
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            place.rename(kept)
            link.rename(place)
            place.rename(link)
            kept.rename(place)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(400):
            for path in (
                root / "file",
                root / "folder",
                root / "folder" / "x",
                root / "folder" / "deep" / "x",
            ):
                with suppress(OSError):
                    os.removexattr(path, acl.ACCESS)
            walk(root, limits=lambda: 2)
    finally:
        stop.set()
        thread.join()
    walk(root)
    assert is_shared(root / "folder" / "deep" / "x")
    outer = (outside, outside / "x", outside / "deep", outside / "deep" / "x")
    assert [state(path) for path in outer] == before


def test_pipes_sockets_and_devices_are_passed_by(root: Path) -> None:
    os.mkfifo(root / "pipe", 0o666)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(root / "s"))
        if os.getuid() == 0:
            os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        before = [state(path) for path in root.iterdir()]
        assert walk(root)["seen"] == 1
        assert [state(path) for path in root.iterdir()] == before
    for name in ("pipe", "s"):
        with pytest.raises(Problem, match="neither a file nor a directory"):
            acl.show(str(root), name)


def test_a_link_is_not_shown(root: Path, outside: Path) -> None:
    (root / "file").symlink_to(outside / "x")
    (root / "folder").symlink_to(outside)
    for path in ("file", "folder", "folder/x"):
        with pytest.raises(Problem) as caught:
            acl.show(str(root), path)
        assert caught.value.reason == "invalid"
    with pytest.raises(Problem):
        acl.apply(str(root), "folder", PLAN, "", 10, 1000)
    assert not is_shared(outside)


@ROOT
def test_other_peoples_hard_links_and_files_are_left(root: Path, outside: Path) -> None:
    os.chown(outside / "x", 60009, 60009)
    os.link(outside / "x", root / "linked")
    (root / "his").mkdir()
    os.chown(root / "his", 60009, 60009)
    (root / "his" / "mine").touch()
    found = walk(root)
    assert found["left"] == {"others": 2}
    assert [sample["path"] for sample in found["samples"] if sample["what"] == "others"] == ["his", "linked"]
    assert not is_shared(outside / "x")
    assert is_shared(root / "his" / "mine")


def test_own_hard_links_only_where_nobody_else_can_make_them(
    root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.link(outside / "x", root / "linked")
    (root / "plain").touch()
    monkeypatch.setattr(acl, "_links_are_safe", lambda: False)
    assert walk(root)["left"] == {"linked": 1}
    assert [is_shared(path) for path in (root / "linked", root / "plain")] == [False, True]
    monkeypatch.setattr(acl, "_links_are_safe", lambda: True)
    assert walk(root)["left"] == {}
    assert is_shared(root / "linked")


@ROOT
def test_mounts_are_not_crossed(root: Path, outside: Path) -> None:
    """Bind mounts of the same filesystem neither, of a directory or of a file."""
    (root / "bound").mkdir()
    (root / "memory").mkdir()
    (root / "file").touch()
    mounts = [
        ["mount", "--bind", str(outside), str(root / "bound")],
        ["mount", "-t", "tmpfs", "tmpfs", str(root / "memory")],
        ["mount", "--bind", str(outside / "x"), str(root / "file")],
    ]
    before = [state(path) for path in (outside, outside / "x")]
    done = []
    try:
        for command in mounts:
            subprocess.run(command, check=True)
            done.append(command[-1])
        assert walk(root)["left"] == {"mount": 3}
        assert not is_shared(root / "memory")
    finally:
        for path in reversed(done):
            subprocess.run(["umount", path], check=True)
    assert [state(path) for path in (outside, outside / "x")] == before


def test_hard_names_survive(root: Path) -> None:
    names = [*HARD_NAMES, os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff\n\xfe")]
    for name in names:
        (root / name).mkdir()
        (root / name / name).touch()
    found = walk(root, limits=lambda: 1)
    assert (found["seen"], found["changed"]) == (1 + 2 * len(names), 1 + 2 * len(names))
    assert all(is_shared(root / name / name) for name in names)
    for sample in found["samples"]:
        sample["path"].encode()  # fit for any reader


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), max_size=5))
def test_a_cursor_is_plain_text_and_comes_back(names: list[str]) -> None:
    path = tuple(os.fsdecode(name.encode("utf-8", "surrogatepass")) for name in names)
    if not {".", ".."} & {*path}:
        text = acl_walk.cursor(path)
        assert text.isascii()
        assert text.isprintable()
        assert acl_walk.path_of(text) == path


@pytest.mark.parametrize(
    "cursor", ["x", ".zz", "." + b"../etc".hex(), "." + b"/etc".hex(), "." + b"a\0".hex()]
)
def test_cursors_that_are_none(root: Path, cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        acl.apply(str(root), "", PLAN, cursor, 10, 1000)
    assert caught.value.reason == "invalid"


def test_a_cursor_into_a_link_leads_nowhere(root: Path, outside: Path) -> None:
    """A directory half done is swapped for a link before the next slice."""
    (root / "b").symlink_to(outside)
    (root / "c").touch()
    found = acl.apply(str(root), "", PLAN, acl_walk.cursor(("b", "a")), 10, 1000)
    assert (found["seen"], found["changed"], found["cursor"]) == (1, 1, None)
    assert not is_shared(outside / "x")


@pytest.mark.parametrize("gone", ["d1/f1", "d1"])
def test_going_on_where_the_last_inode_has_gone(root: Path, gone: str) -> None:
    tree(root, 3, 3)
    cursor = str(acl.apply(str(root), "", PLAN, "", 7, 10_000)["cursor"])
    assert acl_walk.path_of(cursor) == ("d1", "f0")
    subprocess.run(["rm", "-r", str(root / gone)], check=True)
    walk(root, cursor)
    assert walk(root, verb=acl.verify)["drift"] == {}


def test_a_slice_ends_by_number_or_by_time(root: Path) -> None:
    tree(root, 1, 20)
    assert acl.apply(str(root), "", PLAN, "", 5, 10_000)["seen"] == 5
    assert acl.apply(str(root), "", PLAN, "", 0, 10_000)["seen"] == 1
    assert acl.apply(str(root), "", PLAN, "", 1000, 0)["seen"] == 1


def test_no_descriptor_is_left_open(root: Path) -> None:
    tree(root / "a" / "b", 3, 3)
    before = descriptors()
    for limit in (1, 4, 1000):
        walk(root, limits=lambda limit=limit: limit)  # type: ignore[misc]
    assert descriptors() == before


@pytest.fixture
def large(root: Path) -> Path:
    """20,000 files."""
    tree(root / "vol", 40, 500)
    return root / "vol"


def test_interrupted_at_random_it_is_the_same_in_the_end(large: Path) -> None:
    dice = random.Random(20_000)
    found = walk(large, limits=lambda: dice.randint(1, 3000))
    assert (found["seen"], found["changed"]) == (20_041, 20_041)
    assert {state(path)[1] for path in large.rglob("f*")} == {state(large / "d0" / "f0")[1]}
    assert is_shared(large / "d0" / "f0")
    again = walk(large, verb=acl.verify, limits=lambda: dice.randint(1, 9000))
    assert (again["seen"], again["changed"], again["drift"]) == (20_041, 0, {})


def test_killed_in_the_middle_it_goes_on(large: Path) -> None:
    """SIGKILL while a slice is under way; the last cursor the caller has is where the next walk begins."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _share_for_ever(large, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="ascii") as cursors:
        for _ in range(20):
            cursor = cursors.readline().strip()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        told = [line.strip() for line in cursors if line.endswith("\n")]
    rest = walk(large, (told or [cursor])[-1])
    assert rest["seen"] <= 20_041 - 20 * 50
    assert walk(large, verb=acl.verify)["drift"] == {}


def _share_for_ever(volume: Path, writer: int) -> None:
    cursor: Any = ""
    try:
        while cursor is not None:
            cursor = acl.apply(str(volume.parent), volume.name, PLAN, cursor, 50, 10_000)["cursor"]
            os.write(writer, f"{cursor}\n".encode())
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_is_made_behind_the_walk_inherits(root: Path) -> None:
    """A directory comes before what it holds: whatever is made there afterwards is in order already."""
    tree(root, 2, 50)
    cursor = str(acl.apply(str(root), "", PLAN, "", 30, 10_000)["cursor"])
    (root / "a").touch()
    (root / "d0" / "a").mkdir()
    walk(root, cursor)
    assert walk(root, verb=acl.verify)["drift"] == {}


def test_a_directory_of_50_000_names_costs_little_memory(root: Path) -> None:
    tree(root, 1, 50_000)
    tracemalloc.start()
    try:
        found = walk(root, limits=lambda: 20_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found["changed"] == 50_002
    assert peak < 2 << 20


def test_too_deep_and_too_many_are_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acl_walk, "DEPTH_MAX", 3)
    monkeypatch.setattr(acl_walk, "NAMES_MAX", 10)
    (root / "a" / "b" / "c" / "d").mkdir(parents=True)
    tree(root, 1, 11)
    (root / "z").touch()
    found = walk(root, limits=lambda: 1)
    assert found["left"] == {"deep": 1, "huge": 1}
    assert [sample["path"] for sample in found["samples"] if sample["what"] in ("deep", "huge")] == [
        "a/b/c",
        "d0",
    ]
    assert is_shared(root / "z")


def test_a_file_with_no_room_for_more_is_told_and_passed_by(root: Path) -> None:
    """A user may have named hundreds on one file; the others are shared all the same."""
    (root / "full").touch()
    (root / "other").touch()
    too_many = bisect_left(range(8_000), True, key=lambda count: not _filled(root / "full", count))
    data = _filled(root / "full", too_many - 1)
    found = walk(root)
    assert found["left"] == {"full": 1}
    assert state(root / "full")[1] == data
    assert is_shared(root / "other")


def _filled(path: Path, count: int) -> bytes:
    """The ACL of `count` people, set; b"" where it does not fit."""
    data = acl_rules.Acl(6, 0, 0, 4, {(acl_rules.USER, 100_000 + n): 4 for n in range(count)}).packed()
    try:
        os.setxattr(path, acl.ACCESS, data)
    except OSError:
        return b""
    return data


def test_a_probe_for_room_is_taken_away_again(root: Path) -> None:
    many = {Named(tag=Tag.USER, id=100_000 + number): False for number in range(8_190)}
    given = project(os.getuid(), many, {}).model_dump(mode="json")
    with pytest.raises(Problem, match=r"room for [1-9][0-9]+"):
        acl.apply(str(root), "", given, "", 10, 1000)
    assert list(root.iterdir()) == []
    assert not is_shared(root)


def test_a_directory_that_stands_where_a_probe_may_be_expected_is_not_one(root: Path) -> None:
    """Who may write in the volume can move another directory of the owner's to any name."""
    moved = root / f".sciserver-acl-probe-{os.getpid()}"
    moved.mkdir(mode=0o750)
    before = state(moved)
    here = os.open(root, os.O_PATH)
    assert acl_room.room(here, (acl.ACCESS,)) > 0
    os.close(here)
    assert list(root.iterdir()) == [moved] and state(moved) == before


def test_half_an_acl_is_taken_back(root: Path) -> None:
    """Where the default ACL still fits beside what is there, and the access ACL does not any more."""
    here = os.open(root, os.O_PATH)
    both, one = (acl_room.room(here, some) for some in ((acl.DEFAULT, acl.ACCESS), (acl.DEFAULT,)))
    os.close(here)
    if both == one:
        pytest.skip("this filesystem keeps the two ACLs of a directory apart")
    people = {Named(tag=Tag.USER, id=100_000 + number): False for number in range((both + one) // 2)}
    with pytest.raises(Problem) as caught:
        acl.apply(str(root), "", project(os.getuid(), people, {}).model_dump(mode="json"), "", 10, 1000)
    assert caught.value.reason == "too_large"
    assert f"room for {both};" in str(caught.value)
    assert acl.show(str(root), "")["default"] is None


@pytest.fixture
def full(place: Path) -> Iterator[Path]:
    """An ext4 filesystem with a volume and not one free block."""
    path, image = place / "full", place / "image"
    path.mkdir()
    with image.open("wb") as file:
        file.truncate(2 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-I", "128", "-m", "0", str(image)], check=True, capture_output=True)
    if subprocess.run(
        ["mount", "-o", "loop", str(image), str(path)], check=False, capture_output=True
    ).returncode:
        pytest.skip("this machine has no loop devices")
    try:
        (path / "vol").mkdir()
        with suppress(OSError), (path / "fill").open("wb", buffering=0) as file:
            while file.write(b"x" * 1024):
                pass
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@ROOT
def test_a_full_disk_is_not_taken_for_too_many_people(full: Path) -> None:
    with pytest.raises(Problem, match="no space left") as caught:
        acl.apply(str(full), "vol", PLAN, "", 10, 1000)
    assert caught.value.reason == "no_space"


@pytest.fixture
def tiny(place: Path) -> Iterator[Path]:
    """A filesystem without ACLs."""
    path = place / "tiny"
    path.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "ramfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", str(path)], check=True)


@ROOT
def test_a_volume_without_acls_is_told(tiny: Path) -> None:
    (tiny / "vol").mkdir()
    with pytest.raises(Problem, match="keeps no POSIX ACLs") as caught:
        acl.apply(str(tiny), "vol", PLAN, "", 10, 1000)
    assert caught.value.reason == "unsupported"
    with pytest.raises(Problem, match="keeps no POSIX ACLs"):
        acl.show(str(tiny), "vol")


def test_the_walk_reads_names_as_the_rest_of_the_agent_does(root: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (root / name).mkdir()
    acl.apply(str(root), beneath.listed(name), PLAN, "", 10, 1000)
    assert is_shared(root / name)
