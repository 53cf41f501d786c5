"""Which of several Slurm jobs with one uuid is the job, should a lost reply have made two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..domain.jobs import Job
from ..domain.scheduling import Sighting
from ..domain.states import JobState

_STARTED = {JobState.RUNNING, JobState.COMPLETING}


def true_copies(jobs: Sequence[Job], sightings: Iterable[Sighting]) -> dict[str, Sighting]:
    """uuid → sighting for each of `jobs` that is among `sightings`; rows of another uid never count."""
    wanted = {(job.uuid, job.uid): job for job in jobs}
    found: dict[str, Sighting] = {}
    for sighting in sightings:
        job = wanted.get((sighting.uuid or "", sighting.uid))
        if job is None:
            continue
        known = found.get(job.uuid)
        if known is None or _order(job, sighting) < _order(job, known):
            found[job.uuid] = sighting
    return found


def _order(job: Job, sighting: Sighting) -> tuple[bool, bool, int, int]:
    """Smallest is truest: who claimed the start, whom we know, who runs, who ran, who came first.

    A second copy ends at once, so one that runs beats one that is over, and that one beats one still waiting.
    """
    state = sighting.state
    stage = 0 if state in _STARTED else 1 if state is not None and state.final else 2
    return (sighting.slurm_id != job.claimed_by, sighting.slurm_id != job.slurm_id, stage, sighting.slurm_id)
