"""`sciserver job`: everything about one job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from . import sent
from .table import clean, pairs
from .verb import Verb, connect, json_option, print_json

if TYPE_CHECKING:
    from ..domain.views import JobView


@click.command(
    cls=Verb,
    epilog="\b\nExamples:\n  sciserver job 12\n  sciserver job 12 --script\n  sciserver job 12 --json\n",
)
@click.argument("job_id", type=click.IntRange(1), metavar="ID")
@click.option("--script", is_flag=True, help="Print the options and the script Slurm got.")
@json_option
def job(job_id: int, script: bool, as_json: bool) -> None:
    """Show everything about job ID: state, cause, resources, volumes, history."""
    client = connect()
    if script:
        sent.show(client.script(job_id), as_json)
        return
    found, events = client.job(job_id), client.events(job_id)
    if as_json:
        print_json({"job": found, "events": events})
        return
    click.echo(clean(found.sentence))
    click.echo()
    pairs(_facts(found))
    if found.thrift:
        click.echo(f"\n{found.thrift}")
    click.echo("\nHistory")
    for event in events:
        click.echo(f"  {event.at.astimezone():%Y-%m-%d %H:%M:%S}  {event.state:<13}  {clean(event.text)}")


def _facts(job: JobView) -> Iterator[tuple[str, object]]:
    from ..domain.sbatch import time_text  # noqa: PLC0415

    asked, used = job.resources, job.usage
    yield from (
        ("job", job.id),
        ("name", job.name),
        ("state", job.state.value),
        ("exit code", job.end.exit_code if job.end else None),
        ("domain", job.domain),
        ("image", f"{job.image} {job.image_version} (sha256 {job.image_sha256[:16]}…)"),
        ("kind", f"{job.kind} ({job.filename})"),
        ("array", job.array),
        ("sweep over", ", ".join(job.sweep)),
        ("retry of", job.retry_of),
        ("after", ", ".join(f"{d.type}:{d.job}" for d in job.dependencies)),
        ("slurm id", job.slurm_id),
        ("node", job.node),
        ("restarts", job.restarts or None),
        ("asked", f"{asked.nodes} node(s), {asked.tasks} × {asked.cpus} CPU(s), {asked.memory_mb} MB"),
        ("gpus", asked.gpus or None),
        ("limit", time_text(asked.time_limit_s)),
        ("ran", time_text(used.elapsed_s) if used and used.elapsed_s is not None else None),
        ("memory", f"{used.max_rss / 2**20:.0f} MB at most" if used and used.max_rss else None),
    )
    for mount in job.mounts:
        yield "volume", f"{mount.volume} ({mount.mode}) at {mount.target}"
    yield from (("results", job.folder), ("inside", job.target))
    for label, at in (("accepted", job.accepted_at), ("started", job.started_at), ("ended", job.ended_at)):
        yield label, f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}" if at else None
