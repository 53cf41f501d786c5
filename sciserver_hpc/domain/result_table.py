"""The table of what an array's tasks found: a row per task, and its form as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

from pydantic import JsonValue

from .model import Model
from .states import JobState

MOST_FIELDS = 100
"""Fields of one result."""

MOST_COLUMNS = 500
"""Of a table as CSV: fields of later rows beyond these are left out, and the row says so."""

_FIXED = ("task", "state", "exit_code", "elapsed_s")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes spreadsheets take text for a formula (owasp.org, CSV injection)."""


class ResultRow(Model):
    """A task with its parameters and the fields of its result. `problem`: why it has none, where it tried."""

    task: int
    state: JobState
    exit_code: int | None
    elapsed_s: int | None
    parameters: dict[str, JsonValue]
    result: dict[str, JsonValue]
    problem: str


def columns(rows: Iterable[ResultRow]) -> tuple[list[str], list[str]]:
    """The names of parameters and of result fields, in the order in which they come up."""
    parameters: dict[str, None] = {}
    fields: dict[str, None] = {}
    for row in rows:
        parameters |= dict.fromkeys(row.parameters)
        fields |= dict.fromkeys(row.result)
    return list(parameters), list(fields)[:MOST_COLUMNS]


def csv_lines(rows: Sequence[ResultRow]) -> Iterator[str]:
    """The table as CSV (RFC 4180): `parameters.<name>` and `result.<field>` after what all have, then
    `problem`. What is no text, number or truth value is JSON."""
    parameters, fields = columns(rows)
    known = set(fields)
    yield _line(
        [*_FIXED, *(f"parameters.{n}" for n in parameters), *(f"result.{n}" for n in fields), "problem"]
    )
    for row in rows:
        left_out = sum(name not in known for name in row.result)
        problem = f"{left_out} of its fields are left out: more than {MOST_COLUMNS}" if left_out else ""
        yield _line(
            [
                *(row.task, row.state.value, row.exit_code, row.elapsed_s),
                *(row.parameters.get(name) for name in parameters),
                *(row.result.get(name) for name in fields),
                row.problem or problem,
            ]
        )


def cell(value: JsonValue) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _line(values: Sequence[JsonValue]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(map(_harmless, values))
    return line.getvalue()


def _harmless(value: JsonValue) -> str:
    """Text that a spreadsheet would run gets a quote before it."""
    text = cell(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
