"""Both halves of a look put together: what the controller shows and what accounting knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..domain.scheduling import Sighting
from .rows import Row, sightings


def merged(live: Sequence[Row], accounted: Sequence[Row]) -> list[Sighting]:
    """One sighting per Slurm id.

    The controller's word on the state counts while it remembers a job; accounting adds who cancelled it, what
    it used, and array tasks the controller has forgotten.
    """
    known = {(row.slurm_id, row.task): row for row in accounted}
    rows = [_enriched(row, known.pop((row.slurm_id, row.task), None)) for row in live]
    shown = {row.slurm_id for row in live}
    # Of a live job the controller shows all but the tasks it has forgotten, and those are over.
    forgotten = [row for row in known.values() if row.slurm_id not in shown or _over(row)]
    return sightings([*rows, *forgotten])


def of_known_arrays(live: Sequence[Row], ended: Sequence[Row]) -> list[Row]:
    """`ended` without arrays of which nothing is live: a window may show only some of their tasks."""
    shown = {row.slurm_id for row in live}
    return [row for row in ended if row.task is None or row.slurm_id in shown]


def _over(row: Row) -> bool:
    return row.state is not None and row.state.final


def _enriched(live: Row, accounted: Row | None) -> Row:
    """`live` with what only accounting knows of its end; an id comes round again, a name does not."""
    if accounted is None or not _over(live) or (accounted.name, accounted.uid) != (live.name, live.uid):
        return live
    return replace(live, cancelled_by=accounted.cancelled_by, usage=accounted.usage)
