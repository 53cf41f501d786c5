"""The rows of a sweep as one file, a line for each task, as the wrapper takes them.

Of a notebook a line is JSON, which papermill reads. Else it is `NAME=value` pairs with tabs between them, the
values as `printf '%b'` of bash takes them (bash(1)): they are never read as shell text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ..domain.jobs import Kind
from ..domain.sweeps import variables
from .parameters import parameters_line

SWEEP = ".sciserver/sweep"
"""The file in the job folder."""

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r"})


def sweep_text(kind: Kind, rows: Iterable[Mapping[str, JsonValue]]) -> str:
    """The file for a job of `kind`: line `index` + 1 is the task's."""
    line = parameters_line if kind is Kind.NOTEBOOK else _pairs
    return "".join(f"{line(row)}\n" for row in rows)


def _pairs(row: Mapping[str, JsonValue]) -> str:
    return "\t".join(f"{name}={_escaped(value)}" for name, value in variables(row).items())


def _escaped(value: str) -> str:
    """Most values have nothing to escape, and to look for it costs less."""
    return value if value.isprintable() and "\\" not in value else value.translate(_ESCAPES)
