"""Arrays: their tasks, running again what failed, and the table of what they found."""

from __future__ import annotations

from flask import Response, request

from sciserver_hpc.domain.tokens import Scope

from ..guard import Access, person
from ..job_views import shown
from ..result_files import csv_file
from ..services import services
from .jobs import KEY
from .models import JobAnswer, RetryRequest, TableAnswer, TableQuery, TasksAnswer, TasksQuery
from .routes import Route, body, query


def job_tasks(job_id: int) -> TasksAnswer:
    """A page of tasks."""
    asked = query(TasksQuery)
    page = services.arrays.page(person(), job_id, asked.state, asked.after, asked.limit)
    return TasksAnswer(tasks=page.tasks, next=page.next, counts=dict(page.counts))


def retry_job(job_id: int) -> Response:
    """Run again what failed."""
    asked = body(RetryRequest) if request.data else RetryRequest()
    job, new = services.arrays.retry(
        person(), job_id, cancelled=asked.cancelled, key=request.headers.get(KEY)
    )
    response = Response(JobAnswer(job=shown(job)).model_dump_json(), 201 if new else 200)
    response.mimetype = "application/json"
    return response


def job_table(job_id: int) -> TableAnswer:
    """A page of the table."""
    asked = query(TableQuery)
    page = services.tables.page(person(), job_id, asked.after, asked.limit)
    return TableAnswer(rows=page.rows, next=page.next)


def job_table_csv(job_id: int) -> Response:
    """The whole table."""
    return csv_file(person(), job_id)


READ, FILES = Access(scope=Scope.JOBS_READ), Access(scope=Scope.FILES_READ)
ROUTES = (
    Route(
        "GET",
        "/jobs/<int:job_id>/tasks",
        job_tasks,
        READ,
        "The tasks of an array, by index, and how many stand in which state.",
        query=TasksQuery,
        answer=TasksAnswer,
    ),
    Route(
        "POST",
        "/jobs/<int:job_id>/retry",
        retry_job,
        Access(scope=Scope.JOBS_WRITE),
        "Run the failed tasks of an array that is over again: a new job, 201, or 200 when the "
        "Idempotency-Key made it before.",
        body=RetryRequest,
        answer=JobAnswer,
        status=201,
        headers=(KEY,),
    ),
    Route(
        "GET",
        "/jobs/<int:job_id>/table",
        job_table,
        FILES,
        "What an array's tasks found: a row per task with its parameters and the JSON object that it wrote "
        "to the file SCISERVER_RESULT names.",
        query=TableQuery,
        answer=TableAnswer,
    ),
    Route(
        "GET",
        "/jobs/<int:job_id>/table.csv",
        job_table_csv,
        FILES,
        "The same table, whole, as CSV.",
        media="text/csv",
    ),
)
