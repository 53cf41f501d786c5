"""Sessions as lines of a table, one in full, and what is told of a new one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from .table import clean, moment, show

if TYPE_CHECKING:
    from ..client import Client
    from ..domain.session_views import SessionView

TITLES = ("ID", "NAME", "APP", "STATE", "NODE", "TIME LEFT", "IDLE")
IN_USE_S = 60
"""Idle for less than this is in use: the gate looks only now and then."""


def show_all(mine: Sequence[SessionView], shared: Sequence[SessionView]) -> None:
    """One's own, then those of others where there are any, with whose they are."""
    now = datetime.now(UTC)
    show(TITLES, (row(one, now) for one in mine), right=("ID",))
    if shared:
        click.echo("\nShared with me")
        show((*TITLES, "OWNER"), ((*row(one, now), one.job.owner) for one in shared), right=("ID",))


def row(one: SessionView, now: datetime) -> tuple[object, ...]:
    """A session as a line of the table, at `now`."""
    return (
        one.id,
        one.job.name,
        one.app,
        state(one),
        one.job.node or "-",
        left(one, now) or "-",
        idle(one) or "-",
    )


def state(one: SessionView) -> str:
    """Where it stands; of one that is over, how it ended."""
    return one.job.state.value if one.phase == "over" else one.phase.value


def left(one: SessionView, now: datetime) -> str:
    """The time until its end, in words; "" where none is known, or it is over."""
    from ..domain.resources import duration  # noqa: PLC0415

    if one.ends_at is None or one.phase == "over":
        return ""
    return duration(max(0, int((one.ends_at - now).total_seconds())))


def idle(one: SessionView) -> str:
    """Since when nobody uses it, in words; "" where that says nothing."""
    from ..domain.resources import duration  # noqa: PLC0415

    if one.idle_s is None or one.phase != "open":
        return ""
    return "in use" if one.idle_s < IN_USE_S else duration(int(one.idle_s))


def facts(one: SessionView) -> Iterator[tuple[str, object]]:
    """Name and value of what is known of it."""
    from ..domain.sbatch import time_text  # noqa: PLC0415

    job, asked = one.job, one.job.resources
    living = one.phase != "over"
    yield from (
        ("session", one.id),
        ("name", job.name),
        ("owner", job.owner),
        ("app", f"{one.app} ({one.title})"),
        ("state", state(one)),
        ("domain", job.domain),
        ("image", f"{job.image} {job.image_version}"),
        ("node", job.node),
        ("slurm id", job.slurm_id),
        ("asked", f"{asked.cpus} CPU(s), {asked.memory_mb} MB"),
        ("gpus", asked.gpus or None),
        ("limit", time_text(asked.time_limit_s)),
        ("ready", moment(one.ready_at) if one.ready_at else None),
        ("ends", moment(one.ends_at) if one.ends_at and living else None),
        ("extendable", f"until {moment(one.extendable_until)}" if one.extendable_until else None),
        ("idle", idle(one)),
        ("stops", f"{moment(one.stops_idle_at)} unless used" if one.stops_idle_at and living else None),
        ("CPU", f"{one.cpu_percent:.0f} % of one" if one.cpu_percent is not None and living else None),
        ("memory", f"{one.memory_bytes / 2**20:.0f} MB" if one.memory_bytes and living else None),
        ("open by", ", ".join(one.here)),
    )
    for name, value in one.values.items():
        if value != "":
            yield "field", f"{name}={written(value)}"
    for mount in job.mounts:
        yield "volume", f"{mount.volume} ({mount.mode}) at {mount.target}"
    yield "results", job.folder


def written(value: object) -> str:
    """A value of a form as `--field` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def accepted(client: Client, one: SessionView) -> None:
    """Tell of a new one, and where it is opened."""
    job = one.job
    click.echo(
        clean(f"Session {one.id}: {one.title} in domain {job.domain}, image {job.image} {job.image_version}.")
    )
    click.echo(f"Page:  {client.session_page(one.id)}")
    click.echo(f"Look:  sciserver session show {one.id}")
