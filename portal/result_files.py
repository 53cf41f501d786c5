"""The table of what an array found, as a file."""

from __future__ import annotations

from flask import Response

from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.result_table import csv_lines

from .downloads import alone, attachment
from .security import USER_FILE_POLICY
from .services import services


def csv_file(person: Person, job_id: int) -> Response:
    """A download. Raises what `Tables.whole` does, and 429 where the person has enough under way."""
    with alone(person):
        text = "".join(csv_lines(list(services.tables.whole(person, job_id))))
    response = Response(text, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = attachment(f"job-{job_id}-table.csv")
    response.headers["Content-Security-Policy"] = USER_FILE_POLICY
    return response
