"""Files of a job folder to the local disk. Their names are hostile: nothing is written outside the target."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests

from ..domain.errors import AgentError, Invalid, NotFound, Refused, Unavailable
from ..domain.files import FileEntry, FileKind

OWN = ".sciserver"
"""The wrapper's own directory at the top of a job folder: no result."""

DEPTH = 64


@dataclass
class Fetched:
    """`saved`: local paths; `skipped`: what was left out, as path → reason."""

    saved: list[Path] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def local_name(path: str) -> str:
    """What the file at `path` of a job folder is called here. Raises Invalid for one that names no file."""
    name = path.rpartition("/")[2]
    if name in ("", ".", ".."):
        raise Invalid({path: "it names no file of the job folder."})
    return name


def write(chunks: Iterable[bytes], target: Path) -> None:
    """Write `target` whole or not at all: a new file beside it, then a rename. A link there is replaced."""
    new = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
        new.replace(target)
    except requests.RequestException as error:
        raise Unavailable("the portal", "the connection broke during a download; try again.") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()


def tree(
    listing: Callable[[str], list[FileEntry]],
    content: Callable[[str, Path], Path],
    to: Path,
) -> Fetched:
    """Fetch every regular file below the job folder into directory `to`, made where absent."""
    fetched = Fetched()
    for path, entry in _walk(listing, "", fetched, DEPTH):
        target = to.joinpath(*path.split("/"))
        if entry.kind is FileKind.DIRECTORY:
            directory(target, to)
        else:
            directory(target.parent, to)
            try:
                fetched.saved.append(content(path, target))
            except (NotFound, AgentError) as error:
                fetched.skipped[path] = str(error).rstrip(".")
    return fetched


def _walk(
    listing: Callable[[str], list[FileEntry]], base: str, fetched: Fetched, depth: int
) -> Iterator[tuple[str, FileEntry]]:
    for entry in listing(base):
        path = f"{base}/{entry.name}" if base else entry.name
        if path == OWN:
            continue
        reason = _unfit(entry) or ("it lies too deep" if depth == 0 else "")
        if reason:
            fetched.skipped[path] = reason
            continue
        yield path, entry
        if entry.kind is FileKind.DIRECTORY:
            yield from _walk(listing, path, fetched, depth - 1)


def _unfit(entry: FileEntry) -> str:
    """Why an entry is not fetched; empty when it may be."""
    if entry.name in ("", ".", "..") or "/" in entry.name or "\0" in entry.name:
        return "its name is no file name"
    if entry.kind not in (FileKind.FILE, FileKind.DIRECTORY):
        return "it is a symbolic link" if entry.kind is FileKind.LINK else "it is no regular file"
    return ""


def directory(path: Path, top: Path) -> None:
    """Make `path` below `top`. Raises Refused where a link or file stands in the way."""
    for part in reversed([path, *path.parents]):
        if part == top or top in part.parents:
            if part != top and part.is_symlink():
                raise Refused({str(part): "a symbolic link stands there; choose an empty directory"})
            try:
                part.mkdir(parents=part == top, exist_ok=True)
            except FileExistsError:
                raise Refused({str(part): "a file stands there; choose an empty directory"}) from None
