"""A job's results in the browser: folders, previews, downloads. What a job wrote never runs here."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request

from sciserver_hpc.domain.errors import AgentError, NotFound, Unavailable
from sciserver_hpc.domain.files import FileEntry, FileKind

from . import notebook, notebook_process
from .downloads import download
from .guard import Access, allow, person
from .job_views import shown
from .services import services

bp = Blueprint("job_files", __name__)
PAGE = Access(page=True, files=True)
MAX_TEXT = 200_000
MAX_IMAGE = 8_000_000
MAX_NOTEBOOK = 16_000_000
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
"""First bytes → type: a file's name is not believed. SVG is a program, so it is only ever downloaded."""

VIEWS = {"ipynb": "notebook", "png": "image", "jpg": "image", "jpeg": "image", "gif": "image"}


@bp.get("/jobs/<int:job_id>/results")
@allow(PAGE)
def results(job_id: int) -> str:
    """A folder's files, or one file's preview."""
    path = request.args.get("path", "").strip("/")
    job = shown(services.jobs.get(person(), job_id))
    return render_template("job_results.html", job=job, tab="results", path=path, **_shown(job_id, path))


@bp.get("/jobs/<int:job_id>/download")
@allow(PAGE)
def save(job_id: int) -> Response:
    """A file as it is, to the reader's disk."""
    return download(person(), job_id, request.args.get("path", ""))


@bp.get("/jobs/<int:job_id>/image")
@allow(PAGE)
def image(job_id: int) -> Response:
    """A PNG, JPEG or GIF by its first bytes, to be shown within the results page."""
    data = _whole(job_id, request.args.get("path", ""), MAX_IMAGE)
    kind = next((mime for magic, mime in SIGNATURES if data.startswith(magic)), None)
    if kind is None:
        raise AgentError("invalid", "This is not an image that can be shown; download it instead.")
    response = Response(data, mimetype=kind)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


@bp.get("/jobs/<int:job_id>/render")
@allow(PAGE)
def render(job_id: int) -> Response:
    """A notebook as a still page in an origin of its own."""
    text = _whole(job_id, request.args.get("path", ""), MAX_NOTEBOOK)
    response = Response(notebook_process.page(text), mimetype="text/html")
    response.headers["Content-Security-Policy"] = notebook.POLICY
    return response


def _shown(job_id: int, path: str) -> dict[str, Any]:
    """What the tab shows of `path`; a sentence when there is nothing to show."""
    try:
        entry = services.results.stat(person(), job_id, path) if path else None
        if entry is None or entry.kind is FileKind.DIRECTORY:
            return {"entries": _listing(job_id, path)}
        return {"entry": entry, **_preview(job_id, path, entry)}
    except (AgentError, NotFound, Unavailable) as error:
        return {"problem": str(error)}


def _listing(job_id: int, path: str) -> list[FileEntry]:
    """Folders first; names that start with a dot are the wrapper's own."""
    entries = [e for e in services.results.listing(person(), job_id, path) if not e.name.startswith(".")]
    return sorted(entries, key=lambda e: (e.kind is not FileKind.DIRECTORY, e.name.lower()))


def _preview(job_id: int, path: str, entry: FileEntry) -> dict[str, Any]:
    view = VIEWS.get(entry.name.rpartition(".")[2].lower(), "text")
    if entry.kind is not FileKind.FILE:
        return {"view": "none"}
    if view != "text":
        return {"view": view}
    data, size = services.results.read(person(), job_id, path, 0, MAX_TEXT)
    if b"\0" in data:
        return {"view": "none"}
    return {"view": "text", "text": data.decode("utf-8", "replace"), "cut": size > len(data)}


def _whole(job_id: int, path: str, most: int) -> bytes:
    """A file's bytes.

    Raises AgentError too_large beyond `most`.
    """
    parts: list[bytes] = []
    read, size = 0, 1
    while read < size:
        piece, size = services.results.read(person(), job_id, path, read, 4_000_000)
        if size > most:
            raise AgentError(
                "too_large", f"Too large to show (over {most // 1_000_000} MB); download it instead."
            )
        if not piece:
            break
        parts.append(piece)
        read += len(piece)
    return b"".join(parts)
