"""Is an image's file the one that was catalogued?"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from sciserver_hpc.domain.catalogue import Image
from sciserver_hpc.image_files import ImageFiles


@pytest.fixture
def sif(tmp_path: Path) -> Path:
    path = tmp_path / "python.sif"
    path.write_bytes(b"SIF" * 100)
    return path


def catalogued(path: Path) -> Image:
    status = path.stat()
    return Image(
        name="python",
        version="1",
        path=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )


def test_an_untouched_file_is_fine(sif: Path) -> None:
    assert ImageFiles().problem(catalogued(sif)) == ""


def test_a_file_that_was_only_copied_or_touched_is_fine(sif: Path) -> None:
    image, files = catalogued(sif), ImageFiles()
    os.utime(sif, ns=(1, 1))
    assert files.problem(image) == ""
    assert files.problem(image) == ""


def test_other_content_is_told_even_at_the_same_size(sif: Path) -> None:
    image, files = catalogued(sif), ImageFiles()
    sif.write_bytes(b"fis" * 100)
    os.utime(sif, ns=(1, 1))
    assert "changed since it was catalogued" in files.problem(image)
    sif.write_bytes(b"SIF" * 100)
    os.utime(sif, ns=(2, 2))
    assert files.problem(image) == ""


def test_a_missing_file_is_told(sif: Path) -> None:
    image = catalogued(sif)
    sif.unlink()
    assert "cannot be read (No such file or directory)" in ImageFiles().problem(image)


def test_what_is_read_is_the_file_that_was_looked_at(
    sif: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its path may lead elsewhere by then: to a file that only the portal may read."""
    image, secret, fstat = b"\0" * 32 + b"SIF_MAGIC\0", tmp_path / "secret", os.fstat
    sif.write_bytes(image)
    secret.write_bytes(b"password")

    def then_elsewhere(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        if secret.exists():
            secret.replace(sif)
        return found

    monkeypatch.setattr(os, "fstat", then_elsewhere)
    assert ImageFiles().numbers(str(sif)).sha256 == hashlib.sha256(image).hexdigest()


def test_a_pipe_in_its_place_is_told_and_not_waited_for(sif: Path) -> None:
    image = catalogued(sif)
    sif.unlink()
    os.mkfifo(sif)
    assert "is no file" in ImageFiles().problem(image)
