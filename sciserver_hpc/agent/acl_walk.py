"""A walk through a volume that can be left and gone on with: each directory before what it holds, siblings by
name, so that a path says how far it came.

Nothing but a path is kept between two calls, and little in memory: of a large directory the next names are
picked out in one pass each, whatever its size. Descriptors are O_PATH: nothing is opened, so that no pipe
waits and no device wakes, and a link is seen as a link.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections.abc import Generator, Iterator

from . import beneath
from .problems import Problem

BATCH = 2048
"""Names of a directory kept at once."""

DEPTH_MAX = 128
"""Each level costs a descriptor."""

NAMES_MAX = 1_000_000
"""A directory that holds more is left out: picking names from it would never end."""

SAMPLES_MAX = 10

_GONE = {errno.ENOENT, errno.ESTALE, errno.ENOTDIR}
_OBSTACLES = {
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.E2BIG: "full",
    errno.EINVAL: "full",
}

Path = tuple[str, ...]
Step = tuple[int, os.stat_result, Path]
"""A descriptor (O_PATH, closed by the walk), its status, its path from the top."""


class Report:
    """What is counted, with the first few paths."""

    def __init__(self) -> None:
        self.drift: dict[str, int] = {}
        self.left: dict[str, int] = {}
        self.samples: list[dict[str, str]] = []

    def differs(self, path: Path, kinds: frozenset[str]) -> None:
        """An inode is not as wanted."""
        for kind in sorted(kinds):
            self._count(self.drift, path, kind)

    def leave(self, path: Path, obstacle: str) -> None:
        """An inode, or what is below it, is left as it is."""
        self._count(self.left, path, obstacle)

    def fail(self, path: Path, error: OSError) -> None:
        """The same, because of `error`; what has gone meanwhile is no matter."""
        if error.errno not in _GONE:
            self.leave(path, _OBSTACLES.get(error.errno or 0, "failed"))

    def take(self, other: Report) -> None:
        """Add what `other` holds, and empty it."""
        for mine, more in ((self.drift, other.drift), (self.left, other.left)):
            for what, count in more.items():
                mine[what] = mine.get(what, 0) + count
            more.clear()
        self.samples += other.samples[: SAMPLES_MAX - len(self.samples)]
        other.samples.clear()

    def _count(self, counts: dict[str, int], path: Path, what: str) -> None:
        counts[what] = counts.get(what, 0) + 1
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append({"path": beneath.listed("/".join(path)), "what": what})


def walk(top: int, after: Path | None, report: Report) -> Generator[Step, None, None]:
    """`top` and everything below it, links and pipes too, without what comes up to `after`.

    What cannot be walked is told to `report`, before the next step.
    """
    return _Walk(top, report).steps(after)


def cursor(path: Path) -> str:
    """A path as text that anything can keep."""
    return "." + os.fsencode("/".join(path)).hex()


def path_of(text: str) -> Path | None:
    """The path in a cursor; None for '', the beginning.

    Raises Problem invalid.
    """
    if text == "":
        return None
    try:
        return tuple(beneath.split(os.fsdecode(bytes.fromhex(text.removeprefix(".")))))
    except ValueError as error:
        raise Problem("invalid", "the cursor is none") from error


def mount_of(descriptor: int) -> bytes:
    """The mount an open file is on (proc(5)); bind mounts of the same filesystem differ too."""
    handle = os.open(f"/proc/self/fdinfo/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, 4096).partition(b"mnt_id:")[2].split(b"\n", 1)[0].strip()
    finally:
        os.close(handle)


class _Walk:
    def __init__(self, top: int, report: Report) -> None:
        self._top = top
        self._report = report
        self._mount = mount_of(top)

    def steps(self, after: Path | None) -> Generator[Step, None, None]:
        if after is None:
            yield self._top, os.fstat(self._top), ()
        yield from self._below(self._top, (), after or ())

    def _below(self, here: int, path: Path, after: Path) -> Iterator[Step]:
        """What is in the directory `here`, without what comes up to `after`."""
        if after:
            yield from self._step(here, (*path, after[0]), after[1:])
        for name in self._names(here, path, after[0] if after else ""):
            yield from self._step(here, (*path, name), None)

    def _step(self, here: int, path: Path, after: Path | None) -> Generator[Step, None, None]:
        """One entry and what is below it; with `after` it was visited before."""
        try:
            found = os.open(path[-1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        except OSError as error:
            self._report.fail(path, error)
            return
        try:
            status = os.fstat(found)
            is_directory = stat.S_ISDIR(status.st_mode)
            if is_directory and mount_of(found) != self._mount:
                self._report.leave(path, "mount")
                return
            if after is None:
                yield found, status, path
            if is_directory and len(path) >= DEPTH_MAX:
                self._report.leave(path, "deep")
            elif is_directory:
                yield from self._below(found, path, after or ())
        finally:
            os.close(found)

    def _names(self, here: int, path: Path, after: str) -> Iterator[str]:
        """Names behind `after`, sorted."""
        names = [after]
        while names:
            try:
                names = self._next(here, path, names[-1])
            except OSError as error:
                self._report.fail(path, error)
                return
            yield from names
            if len(names) < BATCH:
                return

    def _next(self, here: int, path: Path, after: str) -> list[str]:
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
        try:
            with os.scandir(readable) as scan:
                numbered = zip(range(NAMES_MAX), scan, strict=False)
                names = heapq.nsmallest(BATCH, (entry.name for _, entry in numbered if entry.name > after))
                if next(scan, None) is None:
                    return names
        finally:
            os.close(readable)
        self._report.leave(path, "huge")
        return []
