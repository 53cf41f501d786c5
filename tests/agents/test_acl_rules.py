"""The agent's rules are the domain's, and its reading of ACLs is getfacl's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.agent import acl, acl_rules
from sciserver_hpc.agent.problems import Problem
from sciserver_hpc.domain.acl import Acl, Inode, Named, Tag
from sciserver_hpc.domain.files import FileKind
from sciserver_hpc.domain.projection import Projection, drift, project, wanted
from tests.domain.test_projection import EVERYBODY, acls, inodes, projections

_TAGS = {Tag.USER: acl_rules.USER, Tag.GROUP: acl_rules.GROUP}


def raw(found: Acl | None) -> bytes | None:
    """As the kernel would hand it over."""
    if found is None:
        return None
    named = {(_TAGS[named.tag], named.id): bits for named, bits in found.rights.items()}
    return acl_rules.Acl(found.user, found.group, found.other, found.mask, named).packed()


def status(found: Inode) -> os.stat_result:
    kind = 0o040000 if found.kind is FileKind.DIRECTORY else 0o100000
    return os.stat_result((kind | found.mode, 0, 0, 1, found.uid, found.gid, 0, 0, 0, 0))


@given(projections(), inodes(), st.sampled_from([None, *(who.id for who in EVERYBODY)]))
def test_both_ends_judge_alike(projection: Projection, found: Inode, host: int | None) -> None:
    projection = projection.model_copy(update={"host": host})
    plan = acl_rules.Plan(projection.model_dump(mode="json"))
    kinds, access, default = plan.judge(status(found), raw(found.access), raw(found.default))
    after = wanted(projection, found)
    assert kinds == {kind.value for kind in drift(projection, found)}
    assert (raw(found.access) if access is None else access) == raw(after.access)
    assert (raw(found.default) if default is None else default or None) == raw(after.default)


@given(st.integers(0, 0o777))
def test_a_mode_is_an_acl(mode: int) -> None:
    found = acl_rules.of_mode(mode)
    assert (found.user, found.group, found.other, found.mask) == (mode >> 6, mode >> 3 & 7, mode & 7, None)


@given(acls())
def test_packing_and_reading_again(found: Acl) -> None:
    data = raw(found)
    assert data is not None
    assert Acl.model_validate(acl_rules.parsed(data).shown()).rights == found.rights
    assert acl_rules.parsed(data).packed() == data


@pytest.mark.parametrize("data", [b"", b"\2\0\0", b"\1\0\0\0", b"\2\0\0\0" + b"x" * 7])
def test_an_unknown_format_is_told(data: bytes) -> None:
    with pytest.raises(Problem, match="unknown format"):
        acl_rules.parsed(data)


@pytest.mark.parametrize(
    "projection",
    [
        None,
        {},
        {"entries": [], "ours": []},
        {"entries": [], "ours": [], "inherit": 1},
        {"entries": [{"named": {"tag": "mask", "id": 1}, "bits": 7}], "ours": [], "inherit": True},
        {"entries": [{"named": {"tag": "user", "id": -1}, "bits": 7}], "ours": [], "inherit": True},
        {"entries": [{"named": {"tag": "user", "id": 2**32 - 1}, "bits": 7}], "ours": [], "inherit": True},
        {"entries": [{"named": {"tag": "user", "id": True}, "bits": 7}], "ours": [], "inherit": True},
        {"entries": [{"named": {"tag": "user", "id": 1}, "bits": 8}], "ours": [], "inherit": True},
        {"entries": [], "ours": [], "inherit": True},
        {"entries": [], "ours": [], "inherit": True, "host": -1},
        {"entries": [5], "ours": [], "inherit": True, "host": None},
        {"entries": 5, "ours": [], "inherit": True, "host": None},
    ],
)
def test_projections_that_are_none(projection: object) -> None:
    with pytest.raises(Problem, match="the projection is none"):
        acl_rules.Plan(projection)


TOOLS = pytest.mark.skipif(shutil.which("getfacl") is None, reason="the package acl is not installed")


def getfacl(path: Path) -> list[str]:
    """Lines of `getfacl`, numeric, without comments."""
    command = ["getfacl", "--numeric", "--omit-header", "--no-effective", "--absolute-names", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line]


def shown(path: Path) -> list[str]:
    """The same, from the agent's answer."""
    found = Inode.model_validate(acl.show(str(path.parent), path.name))
    default = [f"default:{line}" for line in _lines(found.default)] if found.default else []
    return _lines(found.access) + default


def _lines(found: Acl) -> list[str]:
    users = [(named.id, bits) for named, bits in found.rights.items() if named.tag is Tag.USER]
    groups = [(named.id, bits) for named, bits in found.rights.items() if named.tag is Tag.GROUP]
    lines = [("user:", found.user), *((f"user:{uid}", bits) for uid, bits in users)]
    lines += [("group:", found.group), *((f"group:{gid}", bits) for gid, bits in groups)]
    lines += [] if found.mask is None else [("mask:", found.mask)]
    return [f"{name}:{_letters(bits)}" for name, bits in [*lines, ("other:", found.other)]]


def _letters(bits: int) -> str:
    return "".join(letter if bits & bit else "-" for letter, bit in zip("rwx", (4, 2, 1), strict=True))


@TOOLS
def test_what_setfacl_set_is_read_as_getfacl_reads_it(root: Path) -> None:
    (root / "d").mkdir()
    (root / "f").touch()
    entries = "u:60001:rwx,u:70000:r,g:60005:rx,m::rx"
    subprocess.run(["setfacl", "-m", f"{entries},d:u:60001:rwx,d:g:7:-", str(root / "d")], check=True)
    subprocess.run(["setfacl", "-m", entries, str(root / "f")], check=True)
    for name in ("d", "f"):
        assert shown(root / name) == getfacl(root / name)
    assert "default:mask::rwx" in shown(root / "d")


@TOOLS
def test_what_is_applied_is_what_getfacl_reads(root: Path) -> None:
    (root / "d").mkdir()
    (root / "d" / "data").touch()
    (root / "d" / "run").touch()
    for name, mode in (("d", 0o750), ("d/data", 0o640), ("d/run", 0o750)):
        (root / name).chmod(mode)
    granted = {Named(tag=Tag.USER, id=60001): True, Named(tag=Tag.GROUP, id=60005): False}
    projection = project(os.getuid(), granted, {}).model_dump(mode="json")
    acl.apply(str(root), "d", projection, "", 100, 1000)
    assert getfacl(root / "d") == [
        "user::rwx",
        "user:60001:rwx",
        "group::r-x",
        "group:60005:r-x",
        "mask::rwx",
        "other::---",
        "default:user::rwx",
        *(f"default:user:{uid}:rwx" for uid in sorted((os.getuid(), 60001))),
        "default:group::---",
        "default:group:60005:r-x",
        "default:mask::rwx",
        "default:other::---",
    ]
    data = ["user::rw-", "user:60001:rw-", "group::r--", "group:60005:r--", "mask::rw-", "other::---"]
    assert getfacl(root / "d" / "data") == data
    assert getfacl(root / "d" / "run")[1:5] == [
        "user:60001:rwx",
        "group::r-x",
        "group:60005:r-x",
        "mask::rwx",
    ]
