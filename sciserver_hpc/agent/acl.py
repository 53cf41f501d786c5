"""ACLs of a volume: showing, applying what grants want, verifying it; by descriptor, a slice at a time.

An inode is reached by the walk alone (no link is followed) and changed through /proc/self/fd, so that what
was looked at is what is changed, even a file its owner may not read. No inode but the user's own is ever
changed, not even where the user is root.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from . import acl_walk, beneath
from .acl_room import room
from .acl_rules import Plan, of_mode, parsed
from .problems import Problem, about, from_os

ACCESS = "system.posix_acl_access"
DEFAULT = "system.posix_acl_default"
SLICE_MAX = 100_000
"""Steps of the walk a call at most."""

SLICE_MS = 10_000
"""Milliseconds a call at most."""

GUESTS_MAX = 20
"""Owners of other people's inodes that an answer names."""

_KINDS = {stat.S_IFDIR: "directory", stat.S_IFREG: "file"}
_NO_ROOM = {errno.ENOSPC, errno.E2BIG, errno.EINVAL}


def show(root: str, path: str) -> dict[str, object]:
    """A file's or directory's ACLs.

    Raises Problem not_found, denied, invalid (a link, a pipe), unsupported.
    """
    with _opened(root, path) as here, _told(path or root):
        status = os.fstat(here)
        access, default = _acls(here, status)
        found = of_mode(status.st_mode) if access is None else parsed(access)
        return {
            "kind": _KINDS[stat.S_IFMT(status.st_mode)],
            "uid": status.st_uid,
            "gid": status.st_gid,
            "mode": stat.S_IMODE(status.st_mode),
            "access": found.shown(),
            "default": None if default is None else parsed(default).shown(),
        }


def apply(
    root: str, path: str, projection: object, cursor: str, limit: int, milliseconds: int
) -> dict[str, object]:
    """Bring the directory `path`, and what is below where that is asked for, nearer to `projection`.

    At most `limit` steps or (after the first) `milliseconds`; the answer says where to go on. Raises Problem
    where nothing at all can be done: not_found, denied, invalid, unsupported, too_large (says how many
    entries are allowed), no_space.
    """
    return _Slice(projection, True).run(root, path, cursor, limit, milliseconds)


def verify(
    root: str, path: str, projection: object, cursor: str, limit: int, milliseconds: int
) -> dict[str, object]:
    """The same, changing nothing."""
    return _Slice(projection, False).run(root, path, cursor, limit, milliseconds)


class _Slice:
    """One call's part of a walk."""

    def __init__(self, projection: object, change: bool) -> None:
        self._plan = Plan(projection)
        self._change = change
        self._report, self._ahead = acl_walk.Report(), acl_walk.Report()
        self._seen = self._changed = 0
        self._guests: set[int] = set()
        self._groups = {os.getegid(), *os.getgroups()}
        self._links_are_safe = _links_are_safe()
        self._mount = b""

    def run(self, root: str, path: str, cursor: str, limit: int, milliseconds: int) -> dict[str, object]:
        """Raises Problem."""
        after = acl_walk.path_of(cursor)
        with beneath.directory(root, beneath.split(path)) as top, _told(path or root):
            self._mount = acl_walk.mount_of(top)
            last = self._steps(top, after, min(limit, SLICE_MAX), min(milliseconds, SLICE_MS) / 1000)
        return {
            "cursor": None if last is None else acl_walk.cursor(last),
            "seen": self._seen,
            "changed": self._changed,
            "drift": self._report.drift,
            "left": self._report.left,
            "samples": self._report.samples,
            "guests": sorted(self._guests),
        }

    def _steps(
        self, top: int, after: acl_walk.Path | None, limit: int, seconds: float
    ) -> acl_walk.Path | None:
        """The path of the last step taken; None when there is no further one."""
        if not self._plan.inherit:
            self._visit(top, os.fstat(top), ())
            return None
        until, last = 0.0, after
        with closing(acl_walk.walk(top, after, self._ahead)) as steps:
            for taken, (here, status, path) in enumerate(steps):
                if taken and (taken >= limit or time.monotonic() > until):
                    return last  # what the walk met on the way to this step, the next slice will tell
                until = until or time.monotonic() + seconds
                self._report.take(self._ahead)
                if stat.S_IFMT(status.st_mode) in _KINDS:
                    self._visit(here, status, path)
                last = path
        self._report.take(self._ahead)
        return None

    def _visit(self, here: int, status: os.stat_result, path: acl_walk.Path) -> None:
        """Raises OSError, Problem at the top alone: what holds there holds below."""
        self._seen += 1
        try:
            self._settle(here, status, path)
        except OSError as error:
            if path:
                self._report.fail(path, error)
            elif error.errno in _NO_ROOM:
                raise _too_many(here, self._plan, error) from error
            else:
                raise
        except Problem:
            if not path:
                raise
            self._report.leave(path, "failed")

    def _settle(self, here: int, status: os.stat_result, path: acl_walk.Path) -> None:
        access, default = _acls(here, status)
        drift, new_access, new_default = self._plan.judge(status, access, default)
        self._report.differs(path, drift)
        if new_access is None and new_default is None:
            return
        obstacle = self._obstacle(here, status)
        if obstacle:
            self._report.leave(path, obstacle)
        elif self._change:
            _write(here, new_access, new_default, default)
            self._changed += 1

    def _obstacle(self, here: int, status: os.stat_result) -> str:
        if status.st_uid != os.getuid():
            if len(self._guests) < GUESTS_MAX:
                self._guests.add(status.st_uid)
            return "others"
        if status.st_mode & stat.S_ISGID and os.getuid() and status.st_gid not in self._groups:
            return "setgid"
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and not self._links_are_safe:
            return "linked"
        return "" if acl_walk.mount_of(here) == self._mount else "mount"


@contextmanager
def _opened(root: str, path: str) -> Iterator[int]:
    """An O_PATH descriptor of a file or directory. Raises Problem."""
    names = beneath.split(path)
    with beneath.directory(root, names[:-1]) as parent, about(beneath.shown(path or root)):
        name = beneath.find(parent, names[-1]) if names else "."
        here = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if stat.S_IFMT(os.fstat(here).st_mode) not in _KINDS:
            raise Problem(
                "invalid", f"{beneath.shown(path)} is neither a file nor a directory: it has no ACL"
            )
        yield here
    finally:
        os.close(here)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn an OSError inside into a Problem said of `what`."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise Problem(
                "unsupported",
                f"the filesystem of {beneath.shown(what)} keeps no POSIX ACLs; an administrator has to mount "
                "it with them (`sciserver-hpc check volumes` says more)",
            ) from error
        raise from_os(error, beneath.shown(what)) from error


def _acls(here: int, status: os.stat_result) -> tuple[bytes | None, bytes | None]:
    default = _read(here, DEFAULT) if stat.S_ISDIR(status.st_mode) else None
    return _read(here, ACCESS), default


def _read(here: int, name: str) -> bytes | None:
    try:
        return os.getxattr(f"/proc/self/fd/{here}", name)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None
        raise


def _write(here: int, access: bytes | None, default: bytes | None, before: bytes | None) -> None:
    """Both or none. `before`: the default ACL as it was."""
    if default is not None:
        _set(here, DEFAULT, default)
    try:
        if access is not None:
            _set(here, ACCESS, access)
    except OSError:
        if default is not None:
            _set(here, DEFAULT, before or b"")
        raise


def _set(here: int, name: str, data: bytes) -> None:
    path = f"/proc/self/fd/{here}"
    try:
        os.setxattr(path, name, data) if data else os.removexattr(path, name)
    except OSError as error:
        if data or error.errno != errno.ENODATA:
            raise


def _links_are_safe() -> bool:
    """Does this machine keep people from linking to what they may not write (proc(5))?"""
    try:
        with open("/proc/sys/fs/protected_hardlinks", encoding="ascii") as file:
            return file.read().strip() != "0"
    except OSError:
        return False


def _too_many(here: int, plan: Plan, error: OSError) -> Problem:
    most = room(here, (DEFAULT, ACCESS) if plan.inherit else (ACCESS,))
    if most >= len(plan.wanted):  # so it is not for their number
        return from_os(error, "the ACL")
    return Problem(
        "too_large",
        f"{len(plan.wanted)} users and groups are to be named, and a directory of this filesystem has room "
        f"for {most}; grant to a group of the directory instead, or to fewer people",
    )
