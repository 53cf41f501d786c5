"""Making the folder of a job with its files.

The file `.sciserver/uuid` says whose folder it is: trying again with the same job uses it again, any other
job finds it taken.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from . import beneath
from .problems import Problem, about

MARKER = "uuid"
META = ".sciserver"

File = dict[str, object]


def prepare(root: str, folder: str, uuid: str, files: Sequence[File]) -> None:
    """Make `folder` beneath `root` (0700) and write `files` ({path, text, mode}) into it.

    Raises Problem; what this call made is then taken away again.
    """
    names = beneath.split(folder)
    if not names:
        raise Problem("invalid", "a job needs a folder of its own")
    with beneath.directory(root, names[:-1], make=True) as parent:
        with about(beneath.shown(folder)):
            made = beneath.make_directory(parent, names[-1])
        try:
            _fill(parent, names[-1], uuid, files)
        except Problem:
            if made:
                _remove(parent, names[-1])
            raise


def _remove(parent: int, name: str) -> None:
    from shutil import rmtree  # noqa: PLC0415 - only failures need it, and it is slow to load

    rmtree(name, ignore_errors=True, dir_fd=parent)


def _fill(parent: int, name: str, uuid: str, files: Sequence[File]) -> None:
    with beneath.directory(parent, [name]) as here, about(beneath.shown(name)):
        if os.fstat(here).st_uid != os.getuid():
            raise Problem("denied", f"the folder {beneath.shown(name)} belongs to somebody else")
        _mark(here, name, uuid)
        for file in files:
            _write(here, str(file["path"]), str(file["text"]), file.get("mode"))


def _mark(here: int, name: str, uuid: str) -> None:
    """Take the folder for `uuid`.

    Raises Problem when it is another job's, or holds files of unknown origin.
    """
    beneath.make_directory(here, META)
    with beneath.directory(here, [META]) as meta:
        try:
            taken = beneath.read_all(meta, MARKER, 64).decode("ascii", "replace")
        except FileNotFoundError:
            taken = "" if _is_empty(here) else "unknown"
        if taken not in ("", uuid):
            raise Problem("invalid", f"the folder {beneath.shown(name)} exists already; submit the job again")
        if not taken:
            beneath.write_over(meta, MARKER, uuid.encode("ascii"))


def _is_empty(here: int) -> bool:
    readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
    try:
        return os.listdir(readable) == [META]
    finally:
        os.close(readable)


def _write(here: int, path: str, text: str, mode: object) -> None:
    names = beneath.split(path)
    if not names:
        raise Problem("invalid", "a file of the job folder needs a name")
    bits = mode if isinstance(mode, int) else 0o600
    with (
        beneath.directory(here, names[:-1], make=True) as parent,
        about(beneath.shown(path)),
    ):
        data = text.encode("utf-8", "surrogateescape")
        try:
            beneath.write_new(parent, names[-1], data, bits)
        except FileExistsError:
            beneath.write_over(parent, names[-1], data, bits)
