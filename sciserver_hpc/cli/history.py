"""`sciserver-hpc history`: jobs that are long over, moved out of the database into files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .table import clean, show
from .verb import Verbs, json_option, print_json

if TYPE_CHECKING:
    from ..services.archiving import Archiving

EPILOG = """\b
Examples:
  sciserver-hpc history archive --dry-run
  sciserver-hpc history list --user alice
  sciserver-hpc history show 12
"""

TITLES = ("ID", "OWNER", "NAME", "STATE", "ENDED", "FILE")


@click.group("history", cls=Verbs, epilog=EPILOG)
def history() -> None:
    """Jobs that ended long ago: move them out of the database into files, and find them there."""


@contextlib.contextmanager
def _archiving() -> Iterator[Archiving]:
    from .. import wiring  # noqa: PLC0415 (slow to load, and --help needs none of it)
    from ..settings import load  # noqa: PLC0415

    settings = load()
    with contextlib.closing(wiring.build_store(settings)) as store:
        yield wiring.build_archiving(settings, store)


@history.command(
    epilog="\b\nExamples:\n  sciserver-hpc history archive --dry-run\n  sciserver-hpc history archive\n"
)
@click.option("--dry-run", is_flag=True, help="Only tell how many jobs would go.")
def archive(dry_run: bool) -> None:
    """Archive now what the broker would, by [history] keep_days. May be ended at any time, and run again."""
    from ..domain.errors import Invalid  # noqa: PLC0415

    with _archiving() as archiving:
        if not archiving.due():
            raise Invalid({"history.keep_days": "is 0, so that all jobs are kept; say for how many days."})
        waiting = archiving.waiting()
        if not dry_run:
            while archiving.step():
                pass
    click.echo(f"{waiting} job{'' if waiting == 1 else 's'} {'to archive' if dry_run else 'archived'}.")


@history.command("list", epilog="\b\nExample:\n  sciserver-hpc history list --user alice -n 20\n")
@click.option("--user", metavar="NAME", help="Only this person's.")
@click.option("--before", type=click.IntRange(1), metavar="ID", help="Only jobs before this one.")
@click.option(
    "-n", "--number", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many."
)
@json_option
def list_(user: str | None, before: int | None, number: int, as_json: bool) -> None:
    """List archived jobs, newest first."""
    with _archiving() as archiving:
        jobs = archiving.list(user, before, number)
    if as_json:
        print_json(jobs)
        return
    rows = (
        (job.job_id, job.owner, clean(job.name), job.state.value, f"{job.ended_at:%Y-%m-%d %H:%M}", job.file)
        for job in jobs
    )
    show(TITLES, rows, right=("ID",))


@history.command("show", epilog="\b\nExample:\n  sciserver-hpc history show 12\n")
@click.argument("job", type=click.IntRange(1, 2**63 - 1), metavar="ID")
def show_(job: int) -> None:
    """Print all there is of archived job ID, as JSON: its row, what was asked, its events."""
    with _archiving() as archiving:
        print_json(archiving.record(job))
