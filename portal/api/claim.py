"""The start fence: a job's copy asks on its node whether it is the one to run."""

from __future__ import annotations

from flask import Response, abort, request
from pydantic import ValidationError

from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.problems import problems

from ..guard import Access, bearer
from ..services import services
from .models import ClaimRequest
from .routes import Route


def claim() -> Response:
    """Answer in two lines that a shell script reads: the word, and the reason."""
    secret = bearer()
    if not secret:
        abort(401, "A claim carries the job's own secret as a bearer token.")
    said = asked()
    word, reason = services.jobs.claim(said.uuid, secret, said.slurm_id, said.restarts, said.task, said.node)
    return Response(f"{word}\n{' '.join(reason.split())}\n", mimetype="text/plain")


def asked() -> ClaimRequest:
    """What the copy of a job says of itself, as a form or as JSON. Raises Invalid."""
    data = request.get_json() if request.is_json else request.form.to_dict()
    try:
        return ClaimRequest.model_validate(data)
    except ValidationError as error:
        raise Invalid(problems(error)) from error


ROUTES = (
    Route(
        "POST",
        "/jobs/claim",
        claim,
        Access(public=True, csrf=False),
        "Asked by a starting job with its own secret. First line `run`, `duplicate`, `refused` or `unknown`; "
        "second line the reason.",
        body=ClaimRequest,
        media="text/plain",
    ),
)
