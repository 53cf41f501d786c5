"""End records, read in job folders by their owners' agents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from ..domain.jobs import Job
from ..domain.scheduling import EndRecord
from ..ports import Agents, Clock
from .errands import Errands, Whose, whose

KIND = "end records"


@dataclass(frozen=True)
class Reading:
    """What a job's folder held. A record that is not in it was missing at `asked_at`, perhaps no longer."""

    asked_at: datetime
    records: tuple[EndRecord, ...]


class EndRecords:
    """Reads them, one errand per owner; what comes after its turn is kept for the next turn that asks for it.

    Each reading is used once, and forgotten when a turn does not ask for its job: the job is no longer over.
    One of an earlier run cannot be mistaken: records carry their copy's Slurm id and its restarts.
    """

    def __init__(self, clock: Clock, agents: Agents, errands: Errands) -> None:
        self._clock = clock
        self._agents = agents
        self._errands = errands
        self._kept: dict[str, Reading] = {}

    def read(self, jobs: Iterable[Job]) -> dict[str, Reading]:
        """Readings by uuid. Jobs whose owner's agent is away, or not back yet, are left out."""
        wanted = {job.uuid: job for job in jobs}
        for uuid in set(self._kept) - set(wanted):
            del self._kept[uuid]  # in place: an errand may be adding to it
        unread: dict[Whose, list[Job]] = defaultdict(list)
        for uuid, job in wanted.items():
            if uuid not in self._kept:
                unread[whose(job)].append(job)
        self._errands.run(KIND, {one: partial(self._ask, one, mine) for one, mine in unread.items()})
        return {uuid: self._kept.pop(uuid) for uuid in wanted if uuid in self._kept}

    def _ask(self, one: Whose, jobs: Sequence[Job]) -> bool:
        asked_at = self._clock.now()
        folders = [(job.spec.results_root, job.spec.folder) for job in jobs]
        answers = self._agents.of(one[1]).end_records(folders)
        readings = {job.uuid: Reading(asked_at, answer) for job, answer in zip(jobs, answers, strict=True)}
        self._kept.update(readings)
        return True
