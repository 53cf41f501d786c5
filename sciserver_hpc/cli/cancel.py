"""`sciserver-cancel`: scancel for the portal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..domain.errors import SciServerError
from .verb import Verb, connect, exit_code, json_option, leave, print_json, sentences

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
    """Cancel jobs by their ids. Those that cannot be cancelled are told; the others are."""
    client = connect()
    done = []
    worst = 0
    for job_id in jobs:
        try:
            job = client.cancel(job_id)
        except SciServerError as error:
            worst = max(worst, exit_code(error))
            for sentence in sentences(error):
                click.echo(f"sciserver-cancel: job {job_id}: {sentence}", err=True)
        else:
            done.append(job)
            if not as_json:
                click.echo(_told(job))
    if as_json:
        print_json(done)
    leave(worst)


def _told(job: JobView) -> str:
    if not job.final:
        return f"Job {job.id} is being cancelled."
    return f"Job {job.id} is {'cancelled' if job.state == 'CANCELLED' else f'over already: {job.state}'}."
