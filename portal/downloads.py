"""Files of a job folder on their way to the asker's disk: always a download, never a page."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from flask import Response

from sciserver_hpc.domain.errors import AgentError
from sciserver_hpc.domain.files import FileKind
from sciserver_hpc.domain.people import Person

from .security import USER_FILE_POLICY
from .services import of_app, services

PIECE = 2_000_000
"""Bytes read at a time."""


def download(person: Person, job_id: int, path: str) -> Response:
    """Stream a file.

    Raises NotFound, AgentError (not_found, denied, invalid for what is no regular file).
    """
    entry = services.results.stat(person, job_id, path)
    if entry.kind is not FileKind.FILE:
        raise AgentError("invalid", "Only files can be downloaded; open the folder and choose one.")
    response = Response(_pieces(person, job_id, path), mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = attachment(path.rpartition("/")[2])
    response.headers["Content-Security-Policy"] = USER_FILE_POLICY
    return response


def attachment(name: str) -> str:
    """A Content-Disposition that keeps any name (RFC 6266): ASCII for old readers, UTF-8 for the rest."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name) or "file"
    exact = quote(name.encode("utf-8", "surrogateescape"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def _pieces(person: Person, job_id: int, path: str) -> Iterator[bytes]:
    """The first piece is read before the answer starts, so that an error can still be one."""
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

    return rest()
