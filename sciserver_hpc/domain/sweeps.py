"""Parameter sweeps: one task of an array for each row of a table, or for each combination of a grid."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator
from pydantic_core import from_json

from .arrays import MAX_TASKS, ArrayIndices, compressed, indices
from .model import Model

PREFIX = "PARAM_"
"""Before a parameter's name in the environment of a command or a script: no name can be one that means
something to a program."""

MOST_NAMES = 100
LARGEST_ROW = 100_000
"""Bytes of a row as JSON: a variable of the environment may have 128 KiB (execve(2))."""

LARGEST = 4_000_000
"""Bytes of all rows as JSON."""

Row = dict[str, JsonValue]

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
"""Made once: json.dumps makes one for each call."""

ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}\z")]


def _plain(text: str) -> str:
    if "%" in text:
        raise ValueError("how many tasks run at once stands in `at_once`")
    return text


class Sweep(Model):
    """What varies from task to task: a `table` of rows, or a `grid` of values by name."""

    table: tuple[dict[ParameterName, JsonValue], ...] | None = Field(
        default=None, min_length=1, max_length=MAX_TASKS
    )
    """A row for each task; a name that a row lacks has no value there."""

    grid: dict[ParameterName, tuple[JsonValue, ...]] | None = Field(default=None, min_length=1)
    """All combinations; the values of the last name vary fastest."""

    at_once: int | None = Field(default=None, ge=1, le=MAX_TASKS)
    """How many tasks may run at once."""

    only: Annotated[ArrayIndices, AfterValidator(_plain)] | None = None
    """The rows that run, by number from 0, in sbatch's form; None: all."""

    @model_validator(mode="after")
    def _fits(self) -> Sweep:
        if (self.table is None) == (self.grid is None):
            raise ValueError("a sweep is a `table` or a `grid`, one of them")
        if math.prod(len(values) for values in (self.grid or {}).values()) > MAX_TASKS:
            raise ValueError(f"the grid has more than {MAX_TASKS} combinations; give fewer values")
        if not all((self.grid or {"": (0,)}).values()):
            raise ValueError("every name of the grid needs a value")
        rows = self.rows()
        _check(rows)
        if len(self.names(rows)) > MOST_NAMES:
            raise ValueError(f"more than {MOST_NAMES} parameters")
        if self.only is not None and indices(self.only)[-1] >= len(rows):
            raise ValueError(f"there is no row {indices(self.only)[-1]}: the sweep has {len(rows)}, from 0")
        return self

    def rows(self) -> list[Row]:
        """The parameters of each task, by its index."""
        if self.grid is None:
            return list(self.table or ())
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]

    def names(self, rows: Iterable[Row] | None = None) -> tuple[str, ...]:
        """The parameters' names, in the order in which they come up."""
        return tuple(dict.fromkeys(name for row in (self.rows() if rows is None else rows) for name in row))

    @property
    def array(self) -> str:
        """The array that it becomes, in sbatch's form."""
        most = f"%{self.at_once}" if self.at_once else ""
        return (self.only or compressed(range(len(self.rows())))) + most


def _check(rows: Sequence[Row]) -> None:
    """Rows are looked at one by one only where all of them together leave a doubt."""
    if not all(rows):
        raise ValueError(f"row {list(map(bool, rows)).index(False)} gives no parameter a value")
    text = _written(rows)
    if text is None or len(text) > LARGEST_ROW or rb"\u0000" in text:
        for number, row in enumerate(rows):
            _check_row(number, row)
    if text is None or len(text) > LARGEST:
        raise ValueError("it is larger than 4 MB; put the data in a volume, and its names here")


def _check_row(number: int, row: Row) -> None:
    text = _written(row)
    if text is None:
        words = "a number that is not finite, broken text, or what nests too deep"
        raise ValueError(f"row {number} holds {words}; put the data in a volume")
    if rb"\u0000" in text.replace(rb"\\", b""):
        raise ValueError(f"row {number} holds a NUL character, which no program takes")
    if len(text) > LARGEST_ROW:
        raise ValueError(f"row {number} is larger than 100 kB; put the data in a volume, and its name here")


def _written(value: Any) -> bytes | None:
    """As JSON; None for what is none, or cannot be read as submitting reads it."""
    try:
        text = _encode(value).encode()
        from_json(text)
    except (ValueError, RecursionError):
        return None
    return text


def json_or_text(text: str) -> Any:
    """A value that is JSON (5, 0.1, true, [1, 2], "5") as such, any other as text."""

    def no_json(constant: str) -> None:
        raise ValueError(f"{constant} is Python's, not JSON's")

    try:
        return json.loads(text, parse_constant=no_json)
    except (ValueError, RecursionError):
        return text


def from_csv(text: str) -> list[Row]:
    """The rows of a table whose first line names the parameters; an empty cell gives no value.

    Between the cells stand commas, semicolons or tabs, whichever the first line has most of. Raises
    ValueError with a sentence.
    """
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    first = lines.readline()
    lines.seek(0)
    reader = csv.reader(lines, delimiter=max(",;\t", key=first.count), strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        if not any(names):
            raise ValueError("the table is empty; its first line names the parameters")
        if bad := next(
            (name for name in names if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name)), None
        ):
            raise ValueError(f"{bad[:50]!r} in the table's first line is no name; use letters, digits and _")
        if len(set(names)) < len(names):
            raise ValueError("the table's first line has a name twice")
        rows = [_row(names, cells, reader.line_num) for cells in reader if any(cells)]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} of the table cannot be read: {error}") from error
    if not rows:
        raise ValueError("the table has no row below its first line")
    return rows


def _row(names: Sequence[str], cells: Sequence[str], line: int) -> Row:
    if len(cells) > len(names):
        raise ValueError(f"line {line} of the table has {len(cells)} cells, and the first line {len(names)}")
    return {name: json_or_text(cell) for name, cell in zip(names, cells, strict=False) if cell != ""}


def to_csv(rows: Sequence[Row]) -> str:
    """The table that `from_csv` reads as `rows`."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row[name]) if name in row else "" for name in names] for row in rows)
    return text.getvalue()


def _cell(value: JsonValue) -> str:
    plain = isinstance(value, str) and value != "" and "\r" not in value and json_or_text(value) == value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def variables(row: Mapping[str, JsonValue]) -> dict[str, str]:
    """A row as variables of the environment: text as it is, null as nothing, anything else as JSON."""
    return {f"{PREFIX}{name}": _text(value) for name, value in row.items()}


def _text(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _encode(value)
