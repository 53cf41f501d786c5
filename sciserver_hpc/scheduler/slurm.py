"""Slurm by its command line: what every version from 22.05 on understands."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ..domain.errors import Unavailable
from ..domain.jobs import Job
from ..domain.scheduling import Observation, Owner, Sighting, Submission, SubmitOutcome, mark, uuid_of
from ..ports import Agents
from . import sacct, squeue
from .commands import Commands
from .matching import match
from .merging import merged, of_known_arrays
from .nodes import ARGUMENTS as NODES
from .nodes import NodeAddresses
from .rows import Row, sightings
from .submitting import submit_as

NAMES_A_CALL = 500
"""Names or ids in one sacct call: an argument may have 128 KiB (execve(2))."""

_EARLIER = timedelta(seconds=60)
"""How far the clocks of this host and of slurmctld may be apart."""


def _now() -> datetime:
    return datetime.now(UTC)


class SlurmCommands:
    """The port `Scheduler`: submits and cancels through the owner's agent, looks as the service account."""

    def __init__(
        self,
        agents: Agents,
        *,
        bin_dir: str = "/usr/bin",
        timeout_s: float = 20.0,
        conf: str = "",
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._agents = agents
        self._commands = Commands(bin_dir, timeout_s, conf)
        self._now = now
        self._nodes = NodeAddresses(lambda: self._commands.run("sinfo", NODES), now)

    def submit(self, owner: Owner, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        """sbatch as `owner`."""
        return submit_as(self._agents, owner, jobs, lambda agent: agent.submit(jobs))

    def test_only(self, owner: Owner, job: Submission) -> str:
        """sbatch --test-only as `owner`."""
        return self._agents.of(owner).test_only(job)

    def cancel(self, owner: Owner, slurm_ids: Sequence[int]) -> None:
        """scancel as `owner`."""
        if slurm_ids:
            self._agents.of(owner).cancel(slurm_ids)

    def observe(self, since: datetime | None) -> Observation:
        """One squeue, and one sacct where `since` is given."""
        at = self._now()
        live, problem = self._try(self._live)
        ended, ended_problem = None, ""
        if since is not None:
            ended, ended_problem = self._try(lambda: self._accounted(sacct.ended_since(since)))
        return Observation(
            at=at,
            sightings=tuple(merged(live or [], of_known_arrays(live or [], ended or []))),
            live_complete=live is not None,
            ended_complete=ended is not None,
            problem=problem,
            ended_problem=ended_problem,
        )

    def ended(self, since: datetime) -> frozenset[str] | None:
        """One sacct, without jobs' steps."""
        rows, _ = self._try(lambda: self._accounted([*sacct.ended_since(since), "--allocations"]))
        if rows is None:
            return None
        return frozenset(uuid for row in rows if (uuid := uuid_of(row.name)))

    def look_up(self, jobs: Sequence[Job]) -> dict[str, Sighting] | None:
        """One squeue; sacct by name, which also finds copies nobody told us of, and by id, which finds what a
        window of time misses (jobs that never became eligible)."""
        if not jobs:
            return {}
        try:
            live = self._live()
            rows = [row for asked in _questions(jobs) for row in self._accounted(asked)]
        except Unavailable:
            return None
        unique = {(row.slurm_id, row.task): row for row in rows}
        return match(jobs, merged(live, list(unique.values())))

    def tasks(self, jobs: Sequence[Job]) -> dict[str, Sighting] | None:
        """One sacct by id for any reasonable number of them."""
        ids = [job.slurm_id for job in jobs if job.slurm_id is not None]
        pieces = [ids[start : start + NAMES_A_CALL] for start in range(0, len(ids), NAMES_A_CALL)]
        try:
            rows = [row for piece in pieces for row in self._accounted(sacct.numbered(piece))]
        except Unavailable:
            return None
        return match(jobs, sightings(rows))

    def folder(self, slurm_id: int) -> str | None:
        """By one squeue."""
        told = self._commands.run(
            "squeue", ["--noheader", "--states=all", f"--jobs={slurm_id}", "--format=%Z"]
        )
        return told.rstrip("\n") or None

    def address(self, node: str) -> str | None:
        """By one sinfo in ten minutes."""
        return self._nodes.of(node)

    def ping(self) -> str:
        """Slurm's version and which controller answers."""
        version = self._commands.run("squeue", ["--version"]).strip()
        answer = self._commands.run("scontrol", ["ping"]).strip()
        if " UP" not in answer:
            raise Unavailable("slurm", answer[:500] or "scontrol ping said nothing")
        return f"{version}: {answer.splitlines()[0]}"

    @staticmethod
    def _try(ask: Callable[[], list[Row]]) -> tuple[list[Row] | None, str]:
        try:
            return ask(), ""
        except Unavailable as error:
            return None, str(error)

    def _live(self) -> list[Row]:
        nonce = _nonce()
        return squeue.parse(self._commands.run("squeue", squeue.arguments(nonce)), nonce)

    def _accounted(self, asked: Sequence[str]) -> list[Row]:
        nonce = _nonce()
        return sacct.parse(self._commands.run("sacct", sacct.arguments(nonce, *asked)), nonce)


def _nonce() -> str:
    """A word no job's name can hold: it is made after the job was named. A letter first, since a digit would
    be read as a column's width."""
    return f"x{secrets.token_hex(12)}"


def _questions(jobs: Sequence[Job]) -> list[list[str]]:
    """sacct's selections for `jobs`: two for any reasonable number of them."""
    from_ = min(job.submitted_at or job.accepted_at for job in jobs) - _EARLIER
    names = [mark(job.name, job.uuid) for job in jobs]
    ids = [job.slurm_id for job in jobs if job.slurm_id is not None]
    starts = range(0, len(jobs), NAMES_A_CALL)
    by_name = [sacct.named(names[start : start + NAMES_A_CALL], from_) for start in starts]
    by_id = [sacct.numbered(ids[start : start + NAMES_A_CALL]) for start in starts if ids[start:]]
    return by_name + by_id
