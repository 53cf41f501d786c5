"""Many jobs in few calls: how they are put together, and what comes back for each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from ..domain.errors import SciServerError
from ..domain.jobs import JobRequest
from ..domain.views import JobView
from .answers import error_in
from .models import read

MOST_JOBS = 100
MOST_BYTES = 8_000_000
"""Of one call; the portal takes 10 MB. A job that is larger alone goes in a call of its own."""

Submitted = JobView | SciServerError
"""The job, or why there is none."""


def batches(requests: Iterable[JobRequest]) -> Iterator[list[str]]:
    """The requests as JSON, in lists for one call each; the same for the same requests."""
    batch: list[str] = []
    size = 0
    for request in requests:
        text = json.dumps(body(request))
        if batch and (len(batch) == MOST_JOBS or size + len(text) > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def body(request: JobRequest) -> dict[str, Any]:
    """The request as JSON, without what was not said."""
    return request.model_dump(mode="json", exclude_unset=True)


def outcome(row: dict[str, Any]) -> Submitted:
    """What became of one job."""
    return read(JobView, row["job"]) if "job" in row else error_in(row["error"])
