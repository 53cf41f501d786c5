"""Files of a job folder on their way to the asker's disk: always a download, never a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from urllib.parse import quote

from flask import Response, abort

from sciserver_hpc.domain.errors import AgentError
from sciserver_hpc.domain.files import FileKind
from sciserver_hpc.domain.people import Person

from .security import USER_FILE_POLICY
from .services import of_app, services

PIECE = 2_000_000
"""Bytes read at a time."""

OF_A_PERSON = 2
OF_ALL = 4
"""Downloads of several pieces under way in one worker. Each holds a thread for as long as its reader likes,
and some threads must stay for everything else."""


class Turns:
    """Who downloads how much at the moment."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: Counter[str] = Counter()

    def take(self, username: str) -> None:
        """Answers 429 when this person, or everybody together, has enough under way."""
        with self._lock:
            if self._taken[username] >= OF_A_PERSON:
                abort(429, "You have other downloads under way; try again when one has ended.")
            if self._taken.total() >= OF_ALL:
                abort(429, "Too many downloads are under way; try again in a minute.")
            self._taken[username] += 1

    def give_back(self, username: str) -> None:
        """One has ended, or its reader is gone."""
        with self._lock:
            self._taken[username] -= 1
            self._taken += Counter()  # forgets those who have none


_turns = Turns()


@contextmanager
def alone(person: Person) -> Iterator[None]:
    """A block that takes as long as a download, and is counted as one. Answers 429."""
    _turns.take(person.username)
    try:
        yield
    finally:
        _turns.give_back(person.username)


def download(person: Person, job_id: int, path: str) -> Response:
    """Stream a file.

    Raises NotFound, AgentError (not_found, denied, invalid for what is no regular file), and 429.
    """
    entry = services.results.stat(person, job_id, path)
    if entry.kind is not FileKind.FILE:
        raise AgentError("invalid", "Only files can be downloaded; open the folder and choose one.")
    pieces, more = _pieces(person, job_id, path)
    if more:
        _turns.take(person.username)
    response = Response(pieces, mimetype="application/octet-stream")
    if more:
        response.call_on_close(lambda: _turns.give_back(person.username))
    response.headers["Content-Disposition"] = attachment(path.rpartition("/")[2])
    response.headers["Content-Security-Policy"] = USER_FILE_POLICY
    return response


def attachment(name: str) -> str:
    """A Content-Disposition that keeps any name (RFC 6266): ASCII for old readers, UTF-8 for the rest."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name) or "file"
    exact = quote(name.encode("utf-8", "surrogateescape"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def _pieces(person: Person, job_id: int, path: str) -> tuple[Iterator[bytes], bool]:
    """A file's bytes, and whether there are more than one piece.

    The first is read before the answer starts, so that an error can still be one.
    """
    results = of_app().results
    first, size = results.read(person, job_id, path, 0, PIECE)

    def rest() -> Iterator[bytes]:
        yield first
        offset = len(first)
        while first and offset < size:
            piece, _ = results.read(person, job_id, path, offset, PIECE)
            if not piece:
                return
            offset += len(piece)
            yield piece

    return rest(), len(first) < size
