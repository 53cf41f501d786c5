"""Jobs: submit, list, watch, cancel."""

from __future__ import annotations

from flask import Response, make_response, request

from sciserver_hpc.domain.errors import Invalid, SciServerError
from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.tokens import Scope
from sciserver_hpc.domain.views import mount_views
from sciserver_hpc.services.accepting import Outcome
from sciserver_hpc.services.keys import check_key, key_of_place

from ..errors import body_of
from ..guard import Access, person
from ..job_views import page, shown
from ..security import request_id
from ..services import services
from .models import (
    MAX_JOBS,
    AcceptedAnswer,
    ErrorAnswer,
    ErrorBody,
    EventsAnswer,
    JobAnswer,
    JobsAnswer,
    JobsQuery,
    ManyAnswer,
    ManyRequest,
    MessageAnswer,
    PreviewAnswer,
    ScriptAnswer,
    SubmitQuery,
)
from .routes import Route, body, checked, query

KEY = "Idempotency-Key"


def submit_job() -> Response | MessageAnswer | PreviewAnswer:
    """Submit, or with `test_only` or `preview` say what would happen."""
    how, asked = query(SubmitQuery), body(JobRequest)
    if how.test_only:
        return MessageAnswer(message=services.jobs.test_only(person(), asked))
    if how.preview:
        return _preview(asked)
    job, new = services.jobs.submit(person(), asked, request.headers.get(KEY))
    response = Response(JobAnswer(job=shown(job)).model_dump_json(), 201 if new else 200)
    response.mimetype = "application/json"
    response.headers["Location"] = f"{request.path}/{job.id}"
    return response


def submit_jobs() -> ManyAnswer:
    """Submit many; what is wrong with one is its own answer."""
    key = request.headers.get(KEY)
    check_key(key)
    asked = [_read(data) for data in body(ManyRequest).jobs]
    readable = [
        (one, key_of_place(key, place)) for place, one in enumerate(asked) if isinstance(one, JobRequest)
    ]
    outcomes = iter(services.jobs.submit_many(person(), readable))
    return ManyAnswer(jobs=tuple(_told(one if isinstance(one, Invalid) else next(outcomes)) for one in asked))


def list_jobs() -> JobsAnswer:
    """A page of jobs."""
    asked = query(JobsQuery)
    jobs, found = page(asked, asked.limit)
    return JobsAnswer(jobs=jobs, next=found.older)


def job(job_id: int) -> Response:
    """One job, or 304 when its version is the one the asker has."""
    found = services.jobs.get(person(), job_id)
    response = make_response(JobAnswer(job=shown(found)).model_dump_json())
    response.mimetype = "application/json"
    response.set_etag(str(found.version))
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response


def job_events(job_id: int) -> EventsAnswer:
    """A job's history."""
    return EventsAnswer(events=tuple(services.jobs.events(person(), job_id)))


def cancel_job(job_id: int) -> JobAnswer:
    """Ask for the job's end."""
    return JobAnswer(job=shown(services.jobs.cancel(person(), job_id)))


def job_script(job_id: int) -> ScriptAnswer:
    """What Slurm got."""
    sent = services.jobs.script(person(), job_id)
    return ScriptAnswer(options=sent.options, script=sent.script)


def _read(data: object) -> JobRequest | Invalid:
    try:
        return checked(JobRequest, data)
    except Invalid as error:
        return error


def _told(outcome: Outcome) -> AcceptedAnswer | ErrorAnswer:
    if isinstance(outcome, SciServerError):
        return ErrorAnswer(error=ErrorBody(**body_of(outcome), request_id=request_id()))
    job, new = outcome
    return AcceptedAnswer(job=shown(job), new=new)


def _preview(asked: JobRequest) -> PreviewAnswer:
    would = services.jobs.preview(person(), asked)
    spec = would.spec
    return PreviewAnswer(
        options=would.options,
        script=would.script,
        mounts=mount_views(spec.mounts),
        domain=spec.domain,
        image=spec.image,
    )


READ, WRITE = Access(scope=Scope.JOBS_READ), Access(scope=Scope.JOBS_WRITE)
ROUTES = (
    Route(
        "POST",
        "/jobs",
        submit_job,
        WRITE,
        "Submit a job: 201, or 200 when the Idempotency-Key was used for the same request before. With "
        "`test_only=1` or `preview=1` nothing is submitted.",
        body=JobRequest,
        query=SubmitQuery,
        answer=JobAnswer,
        status=201,
        headers=(KEY,),
    ),
    Route(
        "POST",
        "/jobs/batch",
        submit_jobs,
        WRITE,
        f"Submit up to {MAX_JOBS} jobs, 10 MB in all. Each is judged for itself: its answer, in the order of "
        "the request, is the job, or the error that `POST /jobs` would give. Sent again with its "
        "Idempotency-Key, the request makes no job twice. None can depend on another of the same request.",
        body=ManyRequest,
        answer=ManyAnswer,
        headers=(KEY,),
    ),
    Route(
        "GET",
        "/jobs",
        list_jobs,
        READ,
        "My jobs, newest first. By state a page is full unless it is the last; otherwise it "
        "holds what is found among the next `look` jobs: it may be short, or empty, and have a `next`.",
        query=JobsQuery,
        answer=JobsAnswer,
    ),
    Route(
        "GET",
        "/jobs/<int:job_id>",
        job,
        READ,
        "One job. Its version is the ETag: send If-None-Match and get 304 until something changes.",
        answer=JobAnswer,
        headers=("If-None-Match",),
    ),
    Route("GET", "/jobs/<int:job_id>/events", job_events, READ, "A job's history.", answer=EventsAnswer),
    Route("POST", "/jobs/<int:job_id>/cancel", cancel_job, WRITE, "Cancel a job.", answer=JobAnswer),
    Route("GET", "/jobs/<int:job_id>/script", job_script, READ, "What Slurm got.", answer=ScriptAnswer),
)
