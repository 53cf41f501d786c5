"""The archive's folder: files of one JSON object a line, packed by gzip, written whole and never again."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import error as ZlibError  # noqa: N812 (it is a class)

from .domain.errors import Unavailable


class ArchiveFolder:
    """See `ports.ArchiveFolder`. Files are of the folder's owner, mode 0600, whoever writes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, lines: Iterable[str]) -> None:
        """See `ports.ArchiveFolder`: synced under another name, then renamed, then the directories synced."""
        with _told():
            path = self._folder / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
                with gzip.GzipFile(fileobj=raw, mode="wb", filename="") as packed:
                    packed.writelines(f"{line}\n".encode() for line in lines)
                raw.flush()
                os.fsync(raw.fileno())
            self._hand_over(path.parent, part)
            part.rename(path)
            for directory in (path.parent, self._folder):
                _sync(directory)

    def read(self, name: str) -> Iterator[str]:
        """See `ports.ArchiveFolder`."""
        with _told(), gzip.open(self._folder / name, "rt", encoding="utf-8") as lines:
            yield from lines

    def remove(self, name: str) -> None:
        """See `ports.ArchiveFolder`."""
        with _told():
            path = self._folder / name
            for one in (path, path.with_name(f".{path.name}.part")):
                one.unlink(missing_ok=True)

    def _hand_over(self, *paths: Path) -> None:
        """An administrator may have run it as root: the broker is to write there as well."""
        if os.geteuid() == 0:
            whose = self._folder.stat()
            for path in paths:
                os.chown(path, whose.st_uid, whose.st_gid)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ZlibError) as error:
        raise Unavailable("archive", str(error)) from error
