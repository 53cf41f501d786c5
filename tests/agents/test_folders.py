"""Job folders: private, exclusive, reused by the same job only, gone again when they cannot be made."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.agent import folders
from sciserver_hpc.agent.problems import Problem

FILES: list[folders.File] = [
    {"path": "command.txt", "text": "echo ünïcödé\n", "mode": 0o640},
    {"path": ".sciserver/claim.json", "text": "{}", "mode": 0o600},
]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_modes(root: Path) -> None:
    folders.prepare(str(root), "2026-01-15/one", "a" * 32, FILES)
    folder = root / "2026-01-15" / "one"
    assert [mode(path) for path in (folder.parent, folder, folder / ".sciserver")] == [0o700] * 3
    assert mode(folder / "command.txt") == 0o640
    assert mode(folder / ".sciserver" / "claim.json") == 0o600
    assert (folder / "command.txt").read_text() == "echo ünïcödé\n"


def test_the_same_job_may_come_again(root: Path) -> None:
    folders.prepare(str(root), "one", "a" * 32, FILES)
    (root / "one" / "stdout.txt").write_text("kept")
    folders.prepare(str(root), "one", "a" * 32, [{"path": "command.txt", "text": "new", "mode": 0o600}])
    assert (root / "one" / "command.txt").read_text() == "new"
    assert (root / "one" / "stdout.txt").read_text() == "kept"


def test_another_job_may_not(root: Path) -> None:
    folders.prepare(str(root), "one", "a" * 32, FILES)
    with pytest.raises(Problem, match="exists already"):
        folders.prepare(str(root), "one", "b" * 32, FILES)


@pytest.mark.parametrize("left", [[], [".sciserver"]])
def test_a_folder_left_by_a_crash_is_taken_over(root: Path, left: list[str]) -> None:
    (root / "one").mkdir()
    for name in left:
        (root / "one" / name).mkdir()
    folders.prepare(str(root), "one", "a" * 32, FILES)
    assert (root / "one" / "command.txt").exists()


@pytest.mark.parametrize("path", ["../x", "/x", "", "a//b"])
def test_files_stay_inside_and_a_failed_folder_goes_again(root: Path, path: str) -> None:
    with pytest.raises(Problem):
        folders.prepare(str(root), "one", "a" * 32, [*FILES, {"path": path, "text": "x"}])
    assert list(root.iterdir()) == []


def test_a_link_planted_in_a_reused_folder_is_replaced_not_followed(root: Path, place: Path) -> None:
    folders.prepare(str(root), "one", "a" * 32, [])
    (place / "precious").write_text("precious")
    (root / "one" / "command.txt").symlink_to(place / "precious")
    folders.prepare(str(root), "one", "a" * 32, FILES)
    assert (place / "precious").read_text() == "precious"


@pytest.fixture
def tiny(place: Path) -> Iterator[Path]:
    """A filesystem of 64 kB."""
    path = place / "tiny"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small filesystem takes root")
def test_a_full_disk_is_told_and_nothing_is_left(tiny: Path) -> None:
    large: folders.File = {"path": "notebook.ipynb", "text": "x" * 200_000}
    with pytest.raises(Problem, match="no space left") as caught:
        folders.prepare(str(tiny), "one", "a" * 32, [large])
    assert caught.value.reason == "no_space"
    assert list(tiny.iterdir()) == []
