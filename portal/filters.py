"""How templates write sizes, times and states."""

from __future__ import annotations

from datetime import datetime

from flask import Flask
from markupsafe import Markup, escape

from sciserver_hpc.domain.resources import duration
from sciserver_hpc.domain.tasks import FAILURES
from sciserver_hpc.domain.views import JobView

from .security import request_id
from .states import LOOKS, NEXT, look

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def init_app(app: Flask) -> None:
    """Offer them to templates."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        size=size, when=when, duration=duration, visible=visible, breakable=breakable
    )
    app.jinja_env.globals.update(
        look=look, failed_tasks=failed_tasks, LOOKS=LOOKS, NEXT=NEXT, request_id=request_id
    )


def failed_tasks(job: JobView) -> int:
    """How many tasks of an array failed, once it is over."""
    return sum(count for state, count in job.tasks.items() if state in FAILURES) if job.final else 0


def size(count: float) -> str:
    """Bytes for people, by 1024 as Slurm counts: `512 B`, `1.5 kB`, `16 GB`."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    number = f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:.0f}"
    return f"{number} {UNITS[unit]}"


def when(moment: datetime | None, *, seconds: bool = False) -> Markup:
    """A time in UTC, which the page's script turns into the reader's zone; exact in the title."""
    if moment is None:
        return Markup("–")
    exact = moment.isoformat(timespec="seconds")
    text = moment.strftime(f"%Y-%m-%d %H:%M{':%S' if seconds else ''} UTC")
    mark = Markup(" data-seconds") if seconds else ""
    return Markup('<time datetime="{0}" title="{0}"{1}>{2}</time>').format(exact, mark, text)


def visible(text: str) -> str:
    """`text` with characters that could mislead (controls, direction marks, bad bytes) made visible."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def breakable(path: str) -> Markup:
    """A path that may be broken after its slashes, and only there."""
    return escape(path).replace("/", Markup("/<wbr>"))
