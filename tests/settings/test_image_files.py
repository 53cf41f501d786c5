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
