"""`sciserver-cancel`: scancel for the portal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .each import each
from .verb import Verb, connect, json_option

if TYPE_CHECKING:
    from ..domain.views import JobView

EPILOG = """\b
Examples:
  sciserver-cancel 12
  sciserver-cancel 12 13 14
"""


@click.command("sciserver-cancel", cls=Verb, epilog=EPILOG)
@click.argument("jobs", nargs=-1, required=True, type=click.IntRange(1), metavar="ID...")
@json_option
def cancel(jobs: tuple[int, ...], as_json: bool) -> None:
    """Cancel jobs, or stop sessions, by id. Those that cannot be cancelled are told; the others are."""
    each(jobs, "job", connect().cancel, _told, as_json=as_json)


def _told(job: JobView) -> str:
    if not job.final:
        return f"Job {job.id} is being cancelled."
    return f"Job {job.id} is {'cancelled' if job.state == 'CANCELLED' else f'over already: {job.state}'}."
