"""No scheduler at all: the owner's agent runs each job as a child process of the machine the portal is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ..domain.errors import SciServerError, Unavailable
from ..domain.jobs import Job
from ..domain.scheduling import Observation, Owner, Sighting, Submission, SubmitOutcome
from ..ports import Agents
from .matching import match
from .submitting import submit_as


def _now() -> datetime:
    return datetime.now(UTC)


class LocalScheduler:
    """The port `Scheduler` for one person: `owner`, whom the portal itself runs as."""

    def __init__(self, agents: Agents, owner: Owner, now: Callable[[], datetime] = _now) -> None:
        self._agents = agents
        self._owner = owner
        self._now = now

    def submit(self, owner: Owner, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        """Hand the jobs to the agent, which runs as many at once as the machine has cores."""
        return submit_as(self._agents, owner, jobs, lambda agent: agent.local_submit(jobs))

    def test_only(self, owner: Owner, job: Submission) -> str:  # noqa: ARG002 - the port's
        """Whether an agent would take it."""
        return f"This computer would run it as soon as it has a free core. {self._agents.ping(owner)}"

    def cancel(self, owner: Owner, slurm_ids: Sequence[int]) -> None:
        """End the jobs' processes."""
        if slurm_ids:
            self._agents.of(owner).local_cancel(slurm_ids)

    def observe(self, since: datetime | None) -> Observation:
        """All the agent remembers (a day), live or ended: one answer serves both halves."""
        at = self._now()
        try:
            seen = tuple(self._seen())
        except SciServerError as error:
            return Observation(
                at=at, sightings=(), live_complete=False, ended_complete=False, problem=str(error)
            )
        return Observation(at=at, sightings=seen, live_complete=True, ended_complete=since is not None)

    def ended(self, since: datetime) -> frozenset[str]:  # noqa: ARG002 - the port's
        """Nothing: a look costs no more than this would."""
        return frozenset()

    def look_up(self, jobs: Sequence[Job]) -> dict[str, Sighting] | None:
        """Find them among all the agent remembers."""
        try:
            return match(jobs, self._seen())
        except SciServerError:
            return None

    def tasks(self, jobs: Sequence[Job]) -> dict[str, Sighting] | None:
        """As every look shows them."""
        return self.look_up(jobs)

    def folder(self, slurm_id: int) -> None:  # noqa: ARG002 - the port's
        """Not told: what the agent forgot is over."""
        return

    def address(self, node: str) -> None:  # noqa: ARG002 - the port's
        """None: sessions need a proxy, which single-user mode has not."""
        return

    def ping(self) -> str:
        """Which agent answers."""
        try:
            return f"local: {self._agents.ping(self._owner)}"
        except Unavailable:
            raise
        except SciServerError as error:
            raise Unavailable("local", str(error)) from error

    def _seen(self) -> list[Sighting]:
        return self._agents.of(self._owner).local_observe()
