"""Tables for people: aligned, as wide as the terminal, coloured on one only."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

import click

_COLOURS = {
    "RUNNING": "cyan",
    "COMPLETING": "cyan",
    "SUCCEEDED": "green",
    "FAILED": "red",
    "TIMEOUT": "red",
    "OUT_OF_MEMORY": "red",
    "NODE_FAIL": "red",
    "REJECTED": "red",
    "LOST": "magenta",
    "CANCELLED": "yellow",
    "PREEMPTED": "yellow",
    "starting": "cyan",
    "open": "green",
    "stopping": "yellow",
}
_GAP = "  "
_LEAST = 8


def show(titles: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[str] = ()) -> None:
    """Print a table, columns in `right` aligned to the right. On a terminal the widest column gives way."""
    cells = [[clean(str(cell)) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(titles, *cells, strict=True)]
    if sys.stdout.isatty():
        widths = fit(widths, shutil.get_terminal_size().columns)
    flush = {titles.index(title) for title in right}
    for number, row in enumerate([list(titles), *cells]):
        parts = [_pad(text, widths[i], i in flush) for i, text in enumerate(row)]
        if number:
            parts = [paint(part, row[i]) for i, part in enumerate(parts)]
        click.echo(_GAP.join(parts).rstrip(), color=colourful())


def fit(widths: Sequence[int], columns: int) -> list[int]:
    """`widths` made to fit into `columns`, at the cost of the widest."""
    fitted = list(widths)
    while sum(fitted) + len(_GAP) * (len(fitted) - 1) > columns and max(fitted) > _LEAST:
        fitted[fitted.index(max(fitted))] -= 1
    return fitted


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Print `name  value` lines, aligned."""
    found = [(name, str(value)) for name, value in rows if value not in (None, "")]
    widest = max((len(name) for name, _ in found), default=0)
    for name, value in found:
        click.echo(f"{name:<{widest}}{_GAP}{paint(clean(value), value)}", color=colourful())


def paint(text: str, word: str) -> str:
    """`text` in the colour of the state `word` of a job or a session."""
    return click.style(text, fg=_COLOURS[word]) if word in _COLOURS and colourful() else text


def colourful() -> bool:
    """Colour only on a terminal, and not where NO_COLOR (no-color.org) asks for none."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def clean(text: str) -> str:
    """`text` on one line, without characters that would steer a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def moment(at: datetime | None) -> str:
    """`at` in the reader's zone; `-` for none."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}" if at else "-"


def width(text: str) -> int:
    """Columns `text` takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _pad(text: str, columns: int, right: bool) -> str:
    while width(text) > columns:
        text = text[:-2] + "…"
    space = " " * (columns - width(text))
    return space + text if right else text + space
