"""A job's log and files."""

from __future__ import annotations

from flask import Response

from sciserver_hpc.domain.tokens import Scope

from ..downloads import download
from ..guard import Access, person
from ..log_text import text_of
from ..services import services
from .models import FilesAnswer, LogAnswer, LogQuery, PathQuery
from .routes import Route, query


def job_log(job_id: int) -> LogAnswer:
    """A piece of stdout or stderr, of an array one task's, cut at whole characters."""
    asked = query(LogQuery)
    final = services.jobs.get(person(), job_id).state.final
    chunk = services.results.log(person(), job_id, asked.stream, asked.offset, asked.length, asked.task)
    text, used = text_of(chunk.data, last=final and chunk.next >= chunk.size)
    end = chunk.offset + used
    return LogAnswer(
        text=text, offset=chunk.offset, next=end, size=chunk.size, final=final and end >= chunk.size
    )


def job_files(job_id: int) -> FilesAnswer:
    """Entries of a folder of the job folder."""
    path = query(PathQuery).path
    return FilesAnswer(path=path, entries=tuple(services.results.listing(person(), job_id, path)))


def job_file(job_id: int) -> Response:
    """A file's bytes, as a download."""
    return download(person(), job_id, query(PathQuery).path)


READ = Access(scope=Scope.FILES_READ)
ROUTES = (
    Route(
        "GET",
        "/jobs/<int:job_id>/log",
        job_log,
        Access(scope=Scope.JOBS_READ),
        "A piece of the job's stdout or stderr, of an array's `task`; go on at `next` until `final`.",
        query=LogQuery,
        answer=LogAnswer,
    ),
    Route(
        "GET",
        "/jobs/<int:job_id>/files",
        job_files,
        READ,
        "Files of the job folder.",
        query=PathQuery,
        answer=FilesAnswer,
    ),
    Route(
        "GET",
        "/jobs/<int:job_id>/files/content",
        job_file,
        READ,
        "A file's bytes, as a download.",
        query=PathQuery,
        media="application/octet-stream",
    ),
)
