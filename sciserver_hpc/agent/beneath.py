"""Walking beneath a trusted directory on descriptors: no symbolic link is followed, nothing leaves it.

The walk opens each component with O_NOFOLLOW relative to the one before (openat(2)), so that swapping a
directory for a link meanwhile changes nothing.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from .problems import Problem, about

_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_STEP = _ROOT | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ESCAPED = re.compile(r"\\udc([89a-f][0-9a-f])")


def split(path: str) -> list[str]:
    """The components of an untrusted relative path; '' has none.

    Raises Problem invalid for absolute paths, empty components, `.`, `..` and NUL.
    """
    if path == "":
        return []
    names = path.split("/")
    if "\0" in path or any(name in ("", ".", "..") for name in names):
        raise Problem(
            "invalid", f"{shown(path)} is not a plain relative path; leave out '..' and leading '/'"
        )
    return names


def shown(name: str) -> str:
    """`name` fit for a message: quoted, escaped, short."""
    return repr(name if len(name) <= 200 else name[:200] + "…")


def listed(name: str) -> str:
    """A file name as valid Unicode: undecodable bytes become the text `\\udcXX`, which `find` takes back."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def find(directory: int, name: str) -> str:
    """The name in `directory` that `listed` showed as `name`."""
    if not _ESCAPED.search(name):
        return name
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return _ESCAPED.sub(lambda match: chr(0xDC00 + int(match[1], 16)), name)
    return name


@contextmanager
def directory(root: str | int, names: Sequence[str], make: bool = False) -> Iterator[int]:
    """A descriptor (O_PATH) of the directory `names` beneath `root` (a trusted path, or a descriptor).

    `make`: absent ones are made 0700. Raises Problem.
    """
    with about(shown(str(root))):
        here = os.open(root, _ROOT) if isinstance(root, str) else os.open(".", _ROOT, dir_fd=root)
    try:
        for index, name in enumerate(names):
            with about(shown("/".join(names[: index + 1]))):
                here = _step(here, name, make)
        yield here
    finally:
        os.close(here)


def _step(here: int, name: str, make: bool) -> int:
    found = find(here, name)
    try:
        below = os.open(found, _STEP, dir_fd=here)
    except FileNotFoundError:
        if not make:
            raise
        make_directory(here, found)
        below = os.open(found, _STEP, dir_fd=here)
    os.close(here)
    return below


def make_directory(parent: int, name: str) -> bool:
    """Make `name` 0700 in `parent`; False when something of that name exists."""
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def open_regular(parent: int, name: str) -> int:
    """A readable descriptor of a regular file in `parent`; never waits, whatever `name` is.

    Raises OSError; Problem invalid for anything but a regular file.
    """
    found = find(parent, name)
    _demand_regular(os.stat(found, dir_fd=parent, follow_symlinks=False), name)
    handle = os.open(found, _READ, dir_fd=parent)
    try:
        _demand_regular(os.fstat(handle), name)
    except Problem:
        os.close(handle)
        raise
    return handle


def _demand_regular(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Problem("invalid", f"{shown(name)} is not a regular file (links and pipes are not opened)")


def read_all(parent: int, name: str, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises OSError; Problem invalid, too_large.
    """
    handle = open_regular(parent, name)
    try:
        data = read_at(handle, 0, limit + 1)
    finally:
        os.close(handle)
    if len(data) > limit:
        raise Problem("too_large", f"{shown(name)} is larger than {limit} bytes")
    return data


def read_at(handle: int, offset: int, length: int) -> bytes:
    """Up to `length` bytes from `offset`; fewer only at the end of the file."""
    data = bytearray()
    while len(data) < length:
        chunk = os.pread(handle, length - len(data), offset + len(data))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def write_new(parent: int, name: str, data: bytes, mode: int) -> None:
    """Write a file that did not exist.

    Raises OSError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(name, flags, 0o600, dir_fd=parent)
    try:
        if mode & 0o777 != 0o600:
            os.fchmod(handle, mode & 0o777)
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def write_over(parent: int, name: str, data: bytes, mode: int = 0o600) -> None:
    """Write a file by rename: others see the old or the new one, whole.

    Raises OSError.
    """
    fresh = f".{name}.{os.getpid()}.new"
    with suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=parent)
    write_new(parent, fresh, data, mode)
    os.rename(fresh, name, src_dir_fd=parent, dst_dir_fd=parent)
