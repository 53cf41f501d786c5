"""What the forms share that submit something: their key, what would happen, and problems beside fields."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from flask import request
from pydantic import BaseModel

from sciserver_hpc.domain.errors import Invalid, Refused, SciServerError
from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.views import mount_views

from .guard import person
from .services import services


def key_of(asked: BaseModel) -> str:
    """The form's key with the request's digest: a double click makes one thing, an edited form another."""
    form = request.form.get("key", "")[:64] or secrets.token_hex(8)
    return f"form-{hashlib.sha256((form + asked.model_dump_json()).encode()).hexdigest()[:40]}"


def preview(asked: JobRequest) -> dict[str, Any]:
    """What Slurm would get, with which volumes, and when it would start. Raises Invalid, Refused."""
    would = services.jobs.preview(person(), asked)
    try:
        start = services.jobs.test_only(person(), asked)
    except SciServerError as error:
        start = str(error)
    return {
        "options": would.options,
        "script": would.script,
        "spec": would.spec,
        "mounts": mount_views(would.spec.mounts),
        "start": start,
    }


def beside_fields(
    error: SciServerError, field_of: Callable[[str], str], kind_at: Mapping[str, str]
) -> dict[str, str]:
    """Each problem under the name of the field it belongs to; `form` for the rest.

    field_of: the field of a problem's dotted path. kind_at: what was refused → the field where it was chosen.
    """
    if isinstance(error, Invalid):
        told = [(field_of(path), text) for path, text in error.problems.items()]
    elif isinstance(error, Refused):
        told = [
            (kind_at.get(item.split(" ")[0], "form"), f"{item}: {why}") for item, why in error.items.items()
        ]
    else:
        told = [("form", str(error))]
    found: dict[str, list[str]] = {}
    for name, text in told:
        found.setdefault(name, []).append(text)
    return {name: "; ".join(texts) for name, texts in found.items()}
