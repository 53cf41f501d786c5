"""`sciserver tasks` and `sciserver retry`: the tasks of an array, and what failed of it once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .queue import states_of
from .table import clean, moment, show
from .verb import Verb, connect, json_option, print_json

if TYPE_CHECKING:
    from ..domain.tasks import Task

TITLES = ("TASK", "STATE", "EXIT", "TIME", "NODE", "STARTED", "ENDED")


@click.command(
    cls=Verb,
    epilog="\b\nExamples:\n  sciserver tasks 12\n  sciserver tasks 12 --state FAILED,TIMEOUT\n",
)
@click.argument("job_id", type=click.IntRange(1), metavar="ID")
@click.option(
    "--state", metavar="STATES", help="Only tasks in these states, with commas; squeue's letters serve."
)
@json_option
def tasks(job_id: int, state: str | None, as_json: bool) -> None:
    """List the tasks of array ID: state, exit code, time and node of each."""
    found = connect().tasks(job_id, states_of(state) if state else ())
    if as_json:
        print_json(list(found))
    else:
        show(TITLES, map(_row, found), right=("TASK", "EXIT", "TIME"))


def _row(task: Task) -> tuple[object, ...]:
    from ..domain.sbatch import time_text  # noqa: PLC0415

    return (
        task.index,
        task.state.value,
        "" if task.exit_code is None else task.exit_code,
        "" if task.elapsed_s is None else time_text(task.elapsed_s),
        task.node,
        moment(task.started_at),
        moment(task.ended_at),
    )


@click.command(
    cls=Verb,
    epilog="\b\nExamples:\n  sciserver retry 12\n  sciserver retry 12 --cancelled\n",
)
@click.argument("job_id", type=click.IntRange(1), metavar="ID")
@click.option("--cancelled", is_flag=True, help="Also the tasks that were cancelled.")
@click.option("--key", metavar="TEXT", help="Idempotency key: asking again with it makes no second job.")
@click.option("--parsable", is_flag=True, help="Print the new job's id only.")
@json_option
def retry(job_id: int, cancelled: bool, key: str | None, parsable: bool, as_json: bool) -> None:
    """Run the failed tasks of array ID again, as a new job. Every task of ID must be over."""
    job = connect().retry(job_id, cancelled=cancelled, key=key)
    if as_json:
        print_json(job)
    elif parsable:
        click.echo(job.id)
    else:
        click.echo(clean(f"Job {job.id} runs tasks {job.array} of job {job_id} again."))
