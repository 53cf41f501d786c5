"""Pages of jobs: the table, and one job with its tabs."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from flask import Blueprint, redirect, render_template, request, url_for
from pydantic import Field, ValidationError
from werkzeug.wrappers import Response

from sciserver_hpc.domain.errors import AgentError, Conflict, Invalid, NotFound, Refused, Unavailable
from sciserver_hpc.domain.jobs import Job, Kind
from sciserver_hpc.domain.listing import LONGEST_LOOK
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.domain.states import ACTIVE, JobState
from sciserver_hpc.services.results import log_name

from . import array_task
from .api.models import MAX_INT, JobsQuery
from .array_task import ArrayTask
from .arrays import pictured
from .guard import Access, allow, person
from .job_views import page, shown
from .log_text import text_of
from .services import services

bp = Blueprint("jobs", __name__)
PAGE = Access(page=True)
Stream = Literal["stdout", "stderr"]
PER_PAGE = 25
KEPT = ("state", "domain", "name", "since", "until")
"""Filters that stay in the URL from page to page."""

TAIL = 64_000
"""Bytes of a log shown at first."""

EMPTY_LOG: dict[str, Any] = {"text": "", "offset": 0, "next": 0, "problem": ""}

STATE_CHOICES = (
    ("", "Any state"),
    (",".join(ACTIVE), "Active"),
    (",".join(state for state in JobState if state.final), "Ended"),
)


@bp.get("/jobs")
@allow(PAGE)
def table() -> str | Response:
    """My jobs by the filters of the URL, newest first."""
    asked, problem = _filters()
    jobs, found = page(asked.times(), PER_PAGE, asked.after_id)
    kept: dict[str, Any] = {k: v for k, v in request.args.items() if v and k in KEPT}
    if asked.after_id is not None and found.newer is None:  # the first page holds all that is newer
        return redirect(url_for("jobs.table", **kept))
    return render_template(
        "jobs.html",
        jobs=jobs,
        found=found,
        further=LONGEST_LOOK if found.older and len(jobs) < PER_PAGE else None,
        kept=kept,
        problem=problem,
        choices=STATE_CHOICES,
        states=tuple(JobState),
        domains=[d.name for d in services.catalogue.domains(person())],
    )


@bp.post("/jobs/cancel")
@allow(PAGE)
def cancel_selected() -> Response | tuple[str, int]:
    """Cancel each chosen job; those that cannot be are told, the others go on."""
    failed: dict[str, str] = {}
    for chosen in request.form.getlist("job", type=int)[:500]:
        try:
            services.jobs.cancel(person(), chosen)
        except (Conflict, NotFound) as error:
            failed[f"Job {chosen}"] = str(error)
    if failed:
        raise Refused(failed)
    return redirect("/jobs", 303)


@bp.get("/jobs/<int:job_id>")
@allow(PAGE)
def overview(job_id: int) -> str:
    """State, cause, times, asked and used."""
    job = services.jobs.get(person(), job_id)
    events = services.jobs.events(person(), job_id)
    return _page("job_overview.html", job, events=events, picture=pictured(job))


@bp.get("/jobs/<int:job_id>/log")
@allow(PAGE)
def log(job_id: int) -> str:
    """The end of stdout or stderr, of an array one task's; the page's script follows it."""
    job = services.jobs.get(person(), job_id)
    stream: Stream = "stderr" if request.args.get("stream") == "stderr" else "stdout"
    task = array_task.asked(job.spec.array)
    path = log_name(job.spec, stream, task.number if task else None)
    return _page("job_log.html", job, stream=stream, task=task, path=path, **_tail(job, stream, task))


@bp.get("/jobs/<int:job_id>/script")
@allow(PAGE)
def script(job_id: int) -> str:
    """What Slurm really got."""
    job = services.jobs.get(person(), job_id)
    return _page("job_script.html", job, sent=services.jobs.script(person(), job_id))


@bp.get("/jobs/<int:job_id>/provenance")
@allow(Access(page=True, files=True))
def provenance(job_id: int) -> str:
    """What ran, on what, and the record the job, or a task of it, left."""
    job = services.jobs.get(person(), job_id)
    task = array_task.asked(job.spec.array)
    path = f"provenance.{task.number}.json" if task else "provenance.json"
    return _page("job_provenance.html", job, task=task, path=path, record=_record(job_id, path))


@bp.post("/jobs/<int:job_id>/cancel")
@allow(PAGE)
def cancel(job_id: int) -> Response:
    """Ask for its end."""
    services.jobs.cancel(person(), job_id)
    return redirect(f"/jobs/{job_id}", 303)


@bp.post("/jobs/<int:job_id>/again")
@allow(PAGE)
def again(job_id: int) -> Response:
    """Submit the same once more."""
    job, _ = services.jobs.submit(person(), services.jobs.request(person(), job_id))
    return redirect(f"/{'sessions' if job.kind is Kind.SESSION else 'jobs'}/{job.id}", 303)


class TableQuery(JobsQuery):
    """What the page's URL says: whole days, both ends in them, in UTC as all times are shown."""

    since: date | None = None
    until: date | None = None
    after_id: int | None = Field(default=None, ge=0, le=MAX_INT)

    def times(self) -> JobsQuery:
        """The same with moments."""
        begin = self.since and datetime.combine(self.since, time(), UTC)
        end = self.until and datetime.combine(self.until, time.max, UTC)
        return self.model_copy(update={"after": self.after or begin, "before": self.before or end})


def _filters() -> tuple[TableQuery, str]:
    given = {k: v for k, v in request.args.items() if v and k in TableQuery.model_fields}
    try:
        return TableQuery.model_validate(given), ""
    except ValidationError as error:
        found = problems(error)
        return TableQuery(), "; ".join(f"{field}: {text}" for field, text in found.items())


def _page(template: str, job: Job, **more: Any) -> str:
    tab = template.removesuffix(".html").removeprefix("job_")
    return render_template(template, job=shown(job), tab=tab, **more)


def _tail(job: Job, stream: Stream, task: ArrayTask | None) -> dict[str, Any]:
    """The log's last piece, or why there is none yet."""
    number = task.number if task else None
    try:
        chunk = services.results.log(person(), job.id, stream, -TAIL, TAIL, number)
    except (AgentError, NotFound):
        return EMPTY_LOG
    except Unavailable as error:
        return EMPTY_LOG | {"problem": str(error)}
    text, used = text_of(chunk.data, last=job.state.final)
    return {"text": text, "offset": chunk.offset, "next": chunk.offset + used, "problem": ""}


def _record(job_id: int, path: str) -> str:
    """The provenance record set out for reading; empty when the job left none that can be read."""
    try:
        data, _ = services.results.read(person(), job_id, path, 0, 200_000)
        return json.dumps(json.loads(data), indent=2, ensure_ascii=False)
    except (AgentError, NotFound, Unavailable, Invalid, ValueError, RecursionError):
        return ""
