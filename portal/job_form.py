"""The new-job form: fill, see what will happen, submit."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, redirect, render_template, request
from pydantic import ValidationError
from werkzeug.wrappers import Response

from sciserver_hpc.domain.catalogue import ComputeDomain
from sciserver_hpc.domain.errors import (
    AgentError,
    Conflict,
    Invalid,
    NotFound,
    Refused,
    Unavailable,
)
from sciserver_hpc.domain.jobs import DependencyType, JobRequest
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.domain.thrift import fitting

from .errors import status_of
from .guard import Access, allow, person
from .job_fields import (
    AFTER,
    PAYLOADS,
    SHOWN_AT,
    command_line,
    dependencies,
    from_request,
    resource_fields,
    to_request,
)
from .services import services
from .submitted_form import beside_fields, key_of, preview

bp = Blueprint("job_form", __name__)
PAGE = Access(page=True)
UPLOADS = {"script_file": ("script", "script"), "notebook_file": ("notebook", "notebook")}
"""File input → (text field it fills, kind of job it means)."""

MORE = ("array", "sweep", "at_once", "dependencies", *(f"{AFTER}{how}" for how in DependencyType))
"""Fields of the part that is closed while none of them is used."""

FIELDS = {
    *PAYLOADS.values(),
    "kind",
    "name",
    "domain",
    "image",
    "arguments",
    "parameters",
    "volumes",
    "filename",
    *MORE,
}
"""Fields of a request that stand in the form under the same name."""

_KIND_AT = {"domain": "domain", "image": "image", "volume": "volumes"}
"""What was refused → the field where it was chosen."""

EXPECTED = (Invalid, Refused, NotFound, Conflict, AgentError, Unavailable)


@dataclass
class Draft:
    """What stands in the form now: the fields as typed, and what is wrong with them."""

    fields: dict[str, str]
    problems: dict[str, str] = field(default_factory=dict)
    status: int = 200
    preview: dict[str, Any] | None = None


@bp.get("/jobs/new")
@allow(PAGE)
def blank() -> Response | tuple[str, int]:
    """An empty form, or one filled with an earlier job's request (`again`), and what would have fitted it
    (`fit`); sessions have their own."""
    earlier = request.args.get("again", type=int)
    asked = services.jobs.request(person(), earlier) if earlier else None
    if asked and asked.app:
        return redirect(f"/sessions/new/{asked.app}?again={earlier}")
    if asked and earlier and request.args.get("fit"):
        better = fitting(services.jobs.get(person(), earlier))
        asked = asked.model_copy(update={"resources": better or asked.resources})
    fields = from_request(asked) if asked else {}
    kind = request.args.get("kind", "")
    return _show(Draft(({"kind": kind} if kind in ("shell", "script", "notebook") else {}) | fields))


@bp.post("/jobs/new")
@allow(PAGE)
def send() -> Response | tuple[str, int]:
    """Submit, or show what would happen; what was typed stays when something is wrong."""
    draft = Draft(_typed())
    try:
        asked = _request(draft)
        if request.form.get("action") == "preview":
            draft.preview = preview(asked) | {"command": command_line(asked)}
            return _show(draft)
        job, _ = services.jobs.submit(person(), asked, key_of(asked))
        return redirect(f"/jobs/{job.id}", 303)
    except EXPECTED as error:
        draft.problems = beside_fields(error, lambda path: _field(path, draft.fields), _KIND_AT)
        draft.status = status_of(error)
        return _show(draft)


def _typed() -> dict[str, str]:
    """The form's fields; an uploaded file takes the place of the text it stands for."""
    fields = {key: value for key, value in request.form.items() if key not in ("csrf_token", "action")}
    for name, (target, kind) in UPLOADS.items():
        upload = request.files.get(name)
        if upload and upload.filename and fields.get("kind") == kind:
            fields[target] = upload.read().decode("utf-8", "replace")
            fields["filename"] = _plain(upload.filename)
    return fields


def _plain(name: str) -> str:
    """An uploaded file's name as the job folder can hold it: no directories, odd characters as `_`."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9 _.,%+=@-]", "_", last).lstrip(" .,%+=@-")[:128]


def _request(draft: Draft) -> JobRequest:
    try:
        return JobRequest.model_validate(to_request(draft.fields))
    except ValidationError as error:
        raise Invalid(problems(error)) from error
    except ValueError as error:
        raise Invalid({"kind": "choose what the job runs"}) from error


def _field(path: str, fields: dict[str, str]) -> str:
    head, _, tail = path.partition(".")
    if head == "resources" and tail:
        return SHOWN_AT.get(tail, tail)
    if head == "dependencies" and tail:
        return f"{AFTER}{dependencies(fields)[int(tail.partition('.')[0])].type}"
    return head if head in FIELDS else "form"


def _show(draft: Draft) -> tuple[str, int]:
    domains = [d for d in services.catalogue.domains(person()) if d.batch]
    chosen = _chosen(domains, draft.fields.get("domain"))
    fields = {"kind": "shell", "key": secrets.token_hex(8)} | _defaults(chosen) | draft.fields
    page = render_template(
        "job_new.html",
        fields=fields,
        problems=draft.problems,
        preview=draft.preview,
        domains=domains,
        images=services.catalogue.images(person()),
        volumes=services.catalogue.volumes(person()),
        limits=chosen.limits if chosen else None,
        more_open=any(draft.fields.get(name) or name in draft.problems for name in MORE),
    )
    return page, draft.status


def _chosen(domains: list[ComputeDomain], name: str | None) -> ComputeDomain | None:
    return next((d for d in domains if d.name == name), domains[0] if domains else None)


def _defaults(domain: ComputeDomain | None) -> dict[str, str]:
    return resource_fields(domain.defaults.model_dump()) | {"domain": domain.name} if domain else {}
