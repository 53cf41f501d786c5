"""Looking at files, and making volumes, as the user."""

from __future__ import annotations

import os
import re
import stat

from . import beneath
from .problems import Problem, about
from .protocol import BODY_MAX

LISTING_MAX = 10_000
SCAN_MAX = 200_000
"""Names of one directory that are read at all; sorting needs them in memory."""

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
_END_NAME = re.compile(r"end(?:\.(\d{1,7}))?\.json\Z")
_END_MAX = 64 << 10
_END_COUNT = 10_000
_END_TOTAL = 24 << 20
_RESULT_MAX = 16 << 10
_RESULTS_A_CALL = 256
_SESSION_NAME = "session.json"
_SESSION_MAX = 4096

Entry = dict[str, object]


def _entry(name: str, status: os.stat_result) -> Entry:
    return {
        "name": beneath.listed(name),
        "kind": _KINDS.get(stat.S_IFMT(status.st_mode), "other"),
        "size": status.st_size,
        "modified": status.st_mtime,
        "mode": stat.S_IMODE(status.st_mode),
    }


def listing(root: str, path: str, limit: int) -> list[Entry]:
    """Entries of a directory, sorted by name, at most `limit`.

    Raises Problem.
    """
    with beneath.directory(root, beneath.split(path)) as here, about(beneath.shown(path or root)):
        names = sorted(_names(here))[: min(limit, LISTING_MAX)]
        entries = (_entry_or_none(here, name) for name in names)
        return [entry for entry in entries if entry is not None]


def _names(directory: int) -> list[str]:
    readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        with os.scandir(readable) as scan:
            return [entry.name for entry, _ in zip(scan, range(SCAN_MAX), strict=False)]
    finally:
        os.close(readable)


def _entry_or_none(directory: int, name: str) -> Entry | None:
    """None for an entry that went away meanwhile."""
    try:
        return _entry(name, os.stat(name, dir_fd=directory, follow_symlinks=False))
    except FileNotFoundError:
        return None


def status(root: str, path: str) -> Entry:
    """One entry; the root itself is called ''.

    Raises Problem.
    """
    names = beneath.split(path)
    with beneath.directory(root, names[:-1]) as parent, about(beneath.shown(path or root)):
        if not names:
            return _entry("", os.fstat(parent))
        found = beneath.find(parent, names[-1])
        return _entry(found, os.stat(found, dir_fd=parent, follow_symlinks=False))


def read(root: str, path: str, offset: int, length: int) -> tuple[bytes, int]:
    """Bytes of a regular file from `offset` (negative: from the end), and its size.

    Raises Problem.
    """
    names = beneath.split(path)
    if not names:
        raise Problem("invalid", "a directory cannot be read; list it")
    with beneath.directory(root, names[:-1]) as parent, about(beneath.shown(path)):
        handle = beneath.open_regular(parent, names[-1])
        try:
            size = os.fstat(handle).st_size
            start = max(0, size + offset) if offset < 0 else offset
            return beneath.read_at(handle, start, max(0, min(length, BODY_MAX))), size
        finally:
            os.close(handle)


def make_volume(root: str, owner: str, name: str) -> None:
    """Make `<root>/<owner>/<name>` 0700 where absent.

    Raises Problem not_found where `<root>/<owner>` is absent, denied where it is another's.
    """
    if len(beneath.split(owner)) != 1 or len(beneath.split(name)) != 1:
        raise Problem("invalid", "owner and name of a volume are one path component each")
    with beneath.directory(root, [owner]) as home:
        if os.fstat(home).st_uid != os.getuid():
            raise Problem(
                "denied", f"{beneath.shown(owner)} in {beneath.shown(root)} belongs to somebody else"
            )
        with about(beneath.shown(f"{owner}/{name}")):
            beneath.make_directory(home, name)
    with beneath.directory(root, [owner, name]):
        pass


def end_records(folders: list[tuple[str, str]]) -> list[list[str]]:
    """For each (root, folder) the texts of its end records, by array task; unreadable ones are left out.

    Everything read here was written by jobs: it is capped in size, number and total, and not interpreted.
    """
    left = _END_TOTAL
    found = []
    for root, folder in folders:
        texts = _folder_ends(root, folder, left)
        left -= sum(map(len, texts))
        found.append(texts)
    return found


def _folder_ends(root: str, folder: str, left: int) -> list[str]:
    texts: list[str] = []
    try:
        with beneath.directory(root, [*beneath.split(folder), ".sciserver"]) as here, about(folder):
            matches = filter(None, map(_END_NAME.match, _names(here)))
            names = [match[0] for match in sorted(matches, key=lambda match: int(match[1] or -1))]
            for name in names[:_END_COUNT]:
                text = _text(here, name, _END_MAX)
                left -= len(text)
                if left < 0:
                    break
                if text:
                    texts.append(text)
    except Problem:
        return texts
    return texts


def results(root: str, folder: str, names: list[str]) -> list[list[str]]:
    """For each name in the folder (text, "") of what a task wrote there, or ("", why there is none); "absent"
    where nothing of that name is.

    Everything read here was written by jobs: it is capped in size and number, and not interpreted.
    """
    with beneath.directory(root, beneath.split(folder)) as here:
        return [_result(here, name) for name in names[:_RESULTS_A_CALL]]


def _result(directory: int, name: str) -> list[str]:
    if len(beneath.split(name)) != 1:
        return ["", "its name is no plain file name"]
    try:
        return [beneath.read_all(directory, name, _RESULT_MAX).decode("utf-8"), ""]
    except FileNotFoundError:
        return ["", "absent"]
    except UnicodeDecodeError:
        return ["", "it is not UTF-8 text"]
    except Problem as problem:
        return ["", str(problem)]
    except OSError as error:
        return ["", f"it cannot be read: {error.strerror}"]


def session_records(folders: list[tuple[str, str]]) -> list[str]:
    """For each (root, folder) the text of its session record; "" where none can be read.

    Written by jobs too.
    """
    return [_session_text(root, folder) for root, folder in folders]


def _session_text(root: str, folder: str) -> str:
    try:
        with beneath.directory(root, [*beneath.split(folder), ".sciserver"]) as here:
            return _text(here, _SESSION_NAME, _SESSION_MAX)
    except Problem:
        return ""


def _text(directory: int, name: str, limit: int) -> str:
    try:
        return beneath.read_all(directory, name, limit).decode("utf-8")
    except (OSError, Problem, UnicodeDecodeError):
        return ""
