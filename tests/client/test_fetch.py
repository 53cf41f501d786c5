"""Results onto the local disk: whole or not at all, and never outside the directory asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.domain.errors import Invalid, NotFound, Refused, Unavailable
from sciserver_hpc.domain.jobs import JobRequest, Kind
from tests.fakes.portal import FakePortal


@pytest.fixture
def job(client: Client) -> int:
    return client.submit(JobRequest(kind=Kind.SHELL, command="true")).id


def test_the_whole_folder(portal: FakePortal, client: Client, job: int, home: Path) -> None:
    portal.files = {
        "out.txt": b"42",
        "plots": None,
        "plots/a.png": b"\x89PNG",
        "empty": None,
        ".sciserver": None,
    }
    fetched = client.results(job, home / "got")
    assert {p.relative_to(home / "got").as_posix() for p in fetched.saved} == {"out.txt", "plots/a.png"}
    assert (home / "got" / "plots" / "a.png").read_bytes() == b"\x89PNG"
    assert sorted(p.name for p in (home / "got").iterdir()) == ["empty", "out.txt", "plots"]


@pytest.mark.parametrize("name", ["..", ".", "../evil", "/etc/evil", "a/../../evil", "a\0b"])
def test_a_hostile_name_is_left_out(
    portal: FakePortal, client: Client, job: int, home: Path, name: str
) -> None:
    portal.files = {f"!{name}": b"evil", "good": b"1"}
    fetched = client.results(job, home / "in" / "got")
    assert [path.name for path in fetched.saved] == ["good"]
    assert fetched.skipped == {name: "its name is no file name"}
    assert sorted(p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()) == ["in/got/good"]


def test_links_and_files_that_cannot_be_read_are_told(
    portal: FakePortal, client: Client, job: int, home: Path
) -> None:
    portal.files = {"link": "link", "gone": "gone", "good": b"1"}
    fetched = client.results(job, home / "got")
    assert [path.name for path in fetched.saved] == ["good"]
    assert fetched.skipped == {"link": "it is a symbolic link", "gone": "There is no such file"}


def test_a_link_in_the_target_leads_nowhere(portal: FakePortal, client: Client, job: int, home: Path) -> None:
    outside, got = home / "outside", home / "got"
    outside.mkdir()
    got.mkdir()
    (got / "plots").symlink_to(outside)
    portal.files = {"plots": None, "plots/a": b"1"}
    with pytest.raises(Refused, match="symbolic link"):
        client.results(job, got)
    (got / "plots").unlink()
    (got / "plots").mkdir()
    (got / "plots" / "a").symlink_to(outside / "a")
    client.results(job, got)
    assert list(outside.iterdir()) == []
    assert (got / "plots" / "a").read_bytes() == b"1"


def test_a_broken_download_leaves_what_was_there(
    portal: FakePortal, client: Client, job: int, home: Path
) -> None:
    (home / "out").write_text("old")
    portal.files = {"out": b"new"}
    portal.trouble = ["lost"]
    with pytest.raises(Unavailable, match="broke"):
        client.download(job, "out", home / "out")
    assert (home / "out").read_text() == "old"
    assert [path.name for path in home.iterdir()] == ["out"]
    client.download(job, "out", home / "out")
    assert (home / "out").read_text() == "new"


def test_a_file_into_a_directory_keeps_its_name(
    portal: FakePortal, client: Client, job: int, home: Path
) -> None:
    portal.files = {"plots/été (1).png": b"1"}
    assert client.download(job, "plots/été (1).png", home) == home / "été (1).png"
    with pytest.raises(Invalid, match="names no file"):
        client.download(job, "plots/..", home)


def test_a_file_that_is_not_there(client: Client, job: int, home: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        client.download(job, "none", home / "x")
    assert list(home.iterdir()) == []
