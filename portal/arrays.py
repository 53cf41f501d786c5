"""Pages of arrays: all tasks at a glance and one by one, and the table of what they found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from sciserver_hpc.domain.errors import AgentError, Conflict, Invalid, NotFound, Unavailable
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.result_table import ResultRow, cell, columns
from sciserver_hpc.domain.sweeps import Row
from sciserver_hpc.domain.tasks import FAILURES

from .api.models import TasksQuery
from .guard import Access, allow, person
from .job_views import shown
from .result_files import csv_file
from .services import services
from .task_picture import picture

bp = Blueprint("arrays", __name__)
PAGE = Access(page=True)
FILES = Access(page=True, files=True)
PER_PAGE = 100
MOST_COLUMNS = 12
"""Of parameters and of results on a page; the file has all."""


@bp.get("/jobs/<int:job_id>/tasks")
@allow(PAGE)
def tasks(job_id: int) -> str:
    """How they all stand, and a page of them by the filters of the URL."""
    asked = _asked()
    page = services.arrays.page(person(), job_id, asked.state, asked.after, PER_PAGE)
    varied = _varied(page.job)
    return render_template(
        "job_tasks.html",
        job=shown(page.job),
        tab="tasks",
        picture=picture(services.arrays.states(page.job)),
        page=page,
        asked=asked,
        chosen=",".join(asked.state),
        failures=",".join(state for state in page.counts if state in FAILURES),
        names=page.job.spec.sweep[:MOST_COLUMNS],
        varied=varied,
        cell=cell,
    )


@bp.post("/jobs/<int:job_id>/retry")
@allow(PAGE)
def retry(job_id: int) -> AnyResponse:
    """Run again what failed; a double click makes one job."""
    key = request.form.get("key") or None
    job, _ = services.arrays.retry(person(), job_id, key=key)
    return redirect(f"/jobs/{job.id}", 303)


@bp.get("/jobs/<int:job_id>/table")
@allow(FILES)
def table(job_id: int) -> str:
    """What tasks found: a page of rows."""
    job = services.jobs.get(person(), job_id)
    return render_template("job_table.html", job=shown(job), tab="table", cell=cell, **_found(job))


@bp.get("/jobs/<int:job_id>/table.csv")
@allow(FILES)
def table_csv(job_id: int) -> Response:
    """The whole table, to the reader's disk."""
    return csv_file(person(), job_id)


def _asked() -> TasksQuery:
    """The URL's filters; none where they cannot be read."""
    given = {key: request.args[key] for key in ("state", "after") if request.args.get(key)}
    try:
        return TasksQuery.model_validate(given)
    except ValidationError:
        return TasksQuery()


def _varied(job: Job) -> list[Row]:
    """The parameters of each task of a sweep, by its index."""
    if not job.spec.sweep:
        return []
    try:
        sweep = services.jobs.asked(job).sweep
    except (NotFound, Invalid):
        return []
    return sweep.rows() if sweep else []


def _found(job: Job) -> dict[str, Any]:
    """A page of the table; a sentence where there is none."""
    after = _asked().after
    try:
        page = services.tables.page(person(), job.id, after, PER_PAGE)
    except (AgentError, NotFound, Unavailable, Conflict, Invalid) as error:
        return {"problem": str(error)}
    parameters, fields = columns(page.rows)
    return {
        "rows": page.rows,
        "next": page.next,
        "after": after,
        "parameters": parameters[:MOST_COLUMNS],
        "fields": fields[:MOST_COLUMNS],
        "numeric": _numeric(page.rows),
        "more_columns": len(parameters) > MOST_COLUMNS or len(fields) > MOST_COLUMNS,
        "empty": not any(row.result or row.problem for row in page.rows) and after is None and not page.next,
    }


def _numeric(rows: Sequence[ResultRow]) -> set[str]:
    """Parameters and fields that are numbers wherever they are told: their columns are aligned as such."""
    values: dict[str, set[type]] = {}
    for row in rows:
        for name, value in (*row.parameters.items(), *row.result.items()):
            values.setdefault(name, set()).add(type(value))
    return {name for name, kinds in values.items() if kinds <= {int, float}}


def pictured(job: Job) -> Any:
    """The picture of an array; None for a job that is none."""
    return picture(services.arrays.states(job)) if job.spec.array else None
