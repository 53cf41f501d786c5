"""`sciserver-queue`: squeue for the portal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from .table import show
from .verb import Verb, connect, json_option, print_json

if TYPE_CHECKING:
    from ..domain.views import JobView

EPILOG = """\b
Examples:
  sciserver-queue                       what is waiting or running
  sciserver-queue --all -n 20           the last 20 jobs, those that ended too
  sciserver-queue --state FAILED,TIMEOUT --name sweep
"""

TITLES = ("ID", "NAME", "KIND", "DOMAIN", "STATE", "TIME", "LIMIT", "NODE/REASON")
_SHORT = {
    "PD": "PENDING",
    "R": "RUNNING",
    "CG": "COMPLETING",
    "CD": "SUCCEEDED",
    "COMPLETED": "SUCCEEDED",
    "F": "FAILED",
    "CA": "CANCELLED",
    "TO": "TIMEOUT",
    "OOM": "OUT_OF_MEMORY",
    "NF": "NODE_FAIL",
    "PR": "PREEMPTED",
}
"""squeue's short words."""


@click.command("sciserver-queue", cls=Verb, epilog=EPILOG)
@click.option(
    "--state", metavar="STATES", help="Only jobs in these states, with commas; squeue's letters serve."
)
@click.option("--domain", metavar="NAME", help="Only jobs of this compute domain.")
@click.option("--name", metavar="TEXT", help="Only jobs with this in their name.")
@click.option("--all", "everything", is_flag=True, help="Jobs that are over, too.")
@click.option(
    "-n", "--number", type=click.IntRange(1), default=100, show_default=True, help="At most so many."
)
@json_option
def queue(
    state: str | None, domain: str | None, name: str | None, everything: bool, number: int, as_json: bool
) -> None:
    """List my jobs and sessions, newest first."""
    states = _states(state, everything)
    jobs = list(islice(connect().jobs(states=states, domain=domain, name=name), number))
    if as_json:
        print_json(jobs)
    else:
        now = datetime.now(UTC)
        show(TITLES, (row(job, now) for job in jobs), right=("ID", "TIME", "LIMIT"))


def _states(text: str | None, everything: bool) -> Iterable[str]:
    from ..domain.states import ACTIVE  # noqa: PLC0415

    if text is None:
        return () if everything else ACTIVE
    return states_of(text)


def states_of(text: str) -> list[str]:
    """The states that `text` names, with commas; squeue's letters serve. Raises Invalid."""
    from ..domain.errors import Invalid  # noqa: PLC0415
    from ..domain.states import JobState  # noqa: PLC0415

    words = [word.strip().upper() for word in text.split(",")]
    named = [_SHORT.get(word, word) for word in words]
    unknown = [word for word in named if word not in JobState.__members__]
    if unknown:
        raise Invalid(
            {"--state": f"{unknown[0]!r} is no state; there are {', '.join(JobState.__members__)}."}
        )
    return named


def row(job: JobView, now: datetime) -> tuple[object, ...]:
    """A job as a line of the table, at `now`."""
    from ..domain.sbatch import time_text  # noqa: PLC0415

    spent = (job.ended_at or now) - job.started_at if job.started_at else None
    return (
        f"{job.id}_[{job.array}]" if job.array else job.id,
        job.name,
        job.kind.value,
        job.domain,
        job.state.value,
        time_text(max(0, round(spent.total_seconds()))) if spent else "0:00",
        time_text(job.resources.time_limit_s),
        job.node or (f"({job.reason})" if job.reason else ""),
    )
