"""App definitions in directories: `<directory>/<name>/app.yml` with its scripts beside it, and `compose.yml`
where it has services.

A start script runs as each user who starts the app. So only root or the service's own account may own and
write anything of it, and nothing of it is a link. One bad app does not take the others away.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from .compose_files import format_problem
from .domain.apps import App
from .domain.compose import Service, services_of
from .domain.problems import problems as sentences

DEFINITION = "app.yml"
COMPOSE = "compose.yml"
PARTS = {"start.sh": "start", "save.sh": "save", "card.md": "card", "icon.svg": "icon"}
"""Files beside the definition, and the key of App that each one's text is."""

MOST_BYTES = 1_000_000
"""Of one file."""

_LINK = "is a link; put the thing itself there"


def shipped() -> Path:
    """The directory of the apps that come with the program."""
    return Path(str(resources(__package__).joinpath("apps")))


class _Bad(Exception):
    """What is wrong with an app, a sentence for each thing."""


@dataclass(frozen=True)
class _Read:
    """An app's directory as it was read; `stamp` changes with anything in it."""

    stamp: tuple[object, ...]
    app: App | None
    problems: tuple[str, ...]


class AppFiles:
    """The apps of `directories`; where two have one of a name, the first directory's counts."""

    def __init__(self, directories: Sequence[Path] = ()) -> None:
        self._directories = tuple(directories) or (shipped(),)
        self._lock = threading.Lock()
        self._read: dict[Path, _Read] = {}

    def apps(self) -> dict[str, App]:
        """Name → app, in the order of their names; read again when a file changes.

        A bad one is not there, and does not let another directory's take its name.
        """
        with self._lock:
            found, _ = self._look()
        return {name: found[name] for name in sorted(found)}

    def problems(self) -> list[str]:
        """What is wrong, a sentence each, beginning with the path."""
        with self._lock:
            _, problems = self._look()
        return problems

    def _look(self) -> tuple[dict[str, App], list[str]]:
        taken: dict[str, _Read] = {}
        problems: list[str] = []
        for directory in self._directories:
            try:
                places = _places(directory)
            except (_Bad, OSError) as error:
                problems.append(_told(directory, error))
                continue
            for place in places:
                read = self._reading(place)
                problems += read.problems
                taken.setdefault(place.name, read)
        return {name: read.app for name, read in taken.items() if read.app}, problems

    def _reading(self, place: Path) -> _Read:
        stamp = _stamp(place)
        known = self._read.get(place)
        if known is None or known.stamp != stamp:
            known = self._read[place] = _reading(place, stamp)
        return known


def _places(directory: Path) -> list[Path]:
    """The apps' directories. Raises _Bad and OSError."""
    _check_keeper(directory.stat())
    return sorted(
        path for path in directory.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))
    )


def _stamp(place: Path) -> tuple[object, ...]:
    return tuple(_mark(path) for path in (place, *(place / name for name in (DEFINITION, COMPOSE, *PARTS))))


def _mark(path: Path) -> tuple[int, ...] | None:
    """Changes with a file's text, owner and mode."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _reading(place: Path, stamp: tuple[object, ...]) -> _Read:
    try:
        return _Read(stamp, _load(place), ())
    except ValidationError as error:
        told = (_told(place / DEFINITION, f"{field}: {text}") for field, text in sentences(error).items())
        return _Read(stamp, None, tuple(told))
    except (_Bad, OSError) as error:
        return _Read(stamp, None, (_told(place, error),))


def _told(path: Path, error: Exception | str) -> str:
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return f"{path}: {text}"


def _load(place: Path) -> App:
    """Raises _Bad, OSError, pydantic.ValidationError."""
    directory = _open(place, os.O_DIRECTORY)
    try:
        _check_keeper(os.fstat(directory))
        texts = dict(_texts(directory))
    finally:
        os.close(directory)
    if DEFINITION not in texts:
        raise _Bad(f"holds no {DEFINITION}")
    document = _definition(texts.pop(DEFINITION))
    if COMPOSE in texts:
        document["services"] = _services(texts.pop(COMPOSE))
    parts = {PARTS[name]: text for name, text in texts.items()}
    return App.model_validate({**document, **parts, "name": place.name})


def _texts(directory: int) -> Iterator[tuple[str, str]]:
    for name in (DEFINITION, COMPOSE, *PARTS):
        try:
            file = _open(name, os.O_NONBLOCK, directory)
        except FileNotFoundError:
            continue
        with os.fdopen(file, "rb") as opened:
            yield name, _text(name, opened.fileno(), opened.read(MOST_BYTES + 1))


def _text(name: str, file: int, content: bytes) -> str:
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise _Bad("is no file")
        _check_keeper(found)
        if len(content) > MOST_BYTES:
            raise _Bad(f"is larger than {MOST_BYTES} bytes")
        return content.decode()
    except UnicodeDecodeError:
        raise _Bad(f"{name} is not UTF-8") from None
    except _Bad as error:
        raise _Bad(f"{name} {error}") from None


def _open(path: str | Path, flags: int, directory: int | None = None) -> int:
    """A descriptor for reading. Raises _Bad for a link, else OSError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=directory)
    except OSError:
        if stat.S_ISLNK(os.lstat(path, dir_fd=directory).st_mode):
            raise _Bad(f"{path} {_LINK}" if directory is not None else _LINK) from None
        raise


def _check_keeper(found: os.stat_result) -> None:
    """Raise _Bad unless root or this account owns it and nobody else may write it."""
    if found.st_uid not in (0, os.geteuid()):
        raise _Bad(f"belongs to uid {found.st_uid}; chown it to root")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _Bad("may be written by others; run chmod go-w on it")


def _definition(text: str) -> dict[str, Any]:
    document = _document(DEFINITION, text)
    own = {"name": "the directory", "services": COMPOSE, **{key: file for file, key in PARTS.items()}}
    for key in own.keys() & document.keys():
        raise _Bad(f"{DEFINITION} holds {key}, which {own[key]} gives")
    return document


def _services(text: str) -> tuple[Service, ...]:
    document = _document(COMPOSE, text)
    if problem := format_problem(document):
        raise _Bad(f"{COMPOSE} is no singularity-compose file: {problem}")
    try:
        return services_of(document)
    except ValidationError as error:
        told = "; ".join(f"{field}: {text}" for field, text in sentences(error).items())
        raise _Bad(f"{COMPOSE}: {told}") from None
    except ValueError as error:
        raise _Bad(f"{COMPOSE}: {error}") from None


def _document(name: str, text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise _Bad(f"{name} is no YAML{line}") from None
    if not isinstance(document, dict):
        raise _Bad(f"{name} holds no keys")
    return document
