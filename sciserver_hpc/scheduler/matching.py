"""Which sightings are of which jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ..domain.jobs import Job
from ..domain.lifecycle import is_of, true_copy
from ..domain.scheduling import Sighting


def match(jobs: Sequence[Job], sightings: Iterable[Sighting]) -> dict[str, Sighting]:
    """uuid → sighting for each of `jobs` that was seen; of several copies the one that counts.

    A user may forge a job's name but not the uid it runs as: both must fit.
    """
    wanted = {job.uuid: job for job in jobs}
    copies: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        job = wanted.get(sighting.uuid or "")
        if job is not None and is_of(sighting, job):
            copies[job.uuid].append(sighting)
    chosen = {uuid: true_copy(wanted[uuid], found) for uuid, found in copies.items()}
    return {uuid: copy for uuid, copy in chosen.items() if copy is not None}
