"""A person's jobs: ask, look, cancel; and what the broker and a job's own start ask of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from ..domain.access import Acting, Action, Resource, ResourceKind, decide, own_subjects
from ..domain.errors import Conflict, NotFound, SciServerError
from ..domain.jobs import EventKind, Job, JobEvent, JobRequest
from ..domain.lifecycle import Step, cancel_unsubmitted, step
from ..domain.listing import ALL, LOOK, NEWEST, Found, Place, Sought
from ..domain.people import Person
from ..domain.scheduling import Owner, Submission
from ..domain.states import JobState
from ..ports import Clock, Scheduler, Store, Waker
from .accepting import Acceptor, Outcome, Retry
from .changing import change_anyhow
from .keys import check_key
from .launch import Launch
from .rendering import Preview, Renderer
from .together import Together

log = structlog.get_logger(__name__)

LONGEST_PAGE = 500
"""Jobs in one answer."""


class Jobs:
    """The use cases around jobs. Each loads by `_own` or `_readable`: what is not the asker's is NotFound."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        waker: Waker,
        schedulers: Mapping[str, Scheduler],
        acceptor: Acceptor,
        renderer: Renderer,
        launch: Launch,
    ) -> None:
        self._store = store
        self._clock = clock
        self._waker = waker
        self._schedulers = schedulers
        self._acceptor = acceptor
        self._together = Together(acceptor.accept_many)
        self._renderer = renderer
        self._launch = launch

    # asking ---------------------------------------------------------------------------------------
    def submit(self, person: Person, request: JobRequest, key: str | None = None) -> tuple[Job, bool]:
        """Accept a job; the bool is False when `key` was used before for the same request.

        Raises Invalid, Refused (every failing item), Conflict (`key` used for another request), Unavailable.
        """
        check_key(key)
        job, new = self._together.accept(person, (request, key))
        self._tell(person, [job] if new else [])
        return job, new

    def submit_retry(
        self, person: Person, request: JobRequest, retry: Retry, key: str | None = None
    ) -> tuple[Job, bool]:
        """The same for a request that runs tasks of an earlier job again."""
        check_key(key)
        job, new = self._acceptor.accept_retry(person, request, key, retry)
        self._tell(person, [job] if new else [])
        return job, new

    def submit_many(self, person: Person, requests: Sequence[tuple[JobRequest, str | None]]) -> list[Outcome]:
        """Accept jobs, each judged for itself and with a key of its own: see `Acceptor.accept_many`."""
        outcomes = self._acceptor.accept_many(person, requests)
        self._tell(person, [outcome[0] for outcome in outcomes if isinstance(outcome, tuple) and outcome[1]])
        return outcomes

    def _tell(self, person: Person, made: Sequence[Job]) -> None:
        for job in made:
            log.info("job accepted", job=job.id, user=person.username, domain=job.domain)
        if made:
            self._waker.wake()

    def preview(self, person: Person, request: JobRequest) -> Preview:
        """What would become of the request, without making anything. Raises Invalid, Refused."""
        return self._renderer.preview(self._acceptor.draft(person, request), request)

    def test_only(self, person: Person, request: JobRequest) -> str:
        """What the scheduler says it would do with the request. Raises Invalid, Refused, Unavailable."""
        job = self._acceptor.draft(person, request)
        scheduler = self._schedulers.get(job.cluster)
        if scheduler is None:
            raise NotFound(f"Cluster {job.cluster} is not configured; tell an administrator.")
        owner = Owner(username=job.owner, uid=job.uid, gid=job.spec.gid)
        return scheduler.test_only(owner, self._renderer.without_secret(job, request))

    # looking --------------------------------------------------------------------------------------
    def get(self, person: Person, job_id: int) -> Job:
        """One of the person's jobs, or one they were granted to read. Raises NotFound."""
        return self._readable(person, job_id)

    def list(
        self,
        person: Person,
        sought: Sought = ALL,
        place: Place = NEWEST,
        *,
        limit: int = 50,
        look: int = LOOK,
    ) -> Found:
        """A page of the person's jobs, whoever's `sought` names; see `domain.listing`."""
        mine = replace(sought, owner=person.username)
        limit = max(1, min(limit, LONGEST_PAGE))
        return self._store.jobs(mine, place, limit=limit, look=look)

    def readable(self, person: Person, job_ids: Sequence[int]) -> dict[int, Job]:
        """Those of these jobs that the person may read, by id."""
        found = self._store.jobs_by_id(job_ids)
        things = {number: Resource(kind=ResourceKind.JOB, name=str(number)) for number in found}
        subjects, grants = self._store.reaching(own_subjects(person), list(things.values()))
        acting, now = Acting(person, subjects), self._clock.now()
        return {
            number: job
            for number, job in found.items()
            if decide(acting, Action.READ, things[number], grants, now, job.owner)
        }

    def events(self, person: Person, job_id: int) -> Sequence[JobEvent]:
        """The job's history, oldest first. Raises NotFound."""
        return self._store.events(self._readable(person, job_id).id)

    def own(self, person: Person, job_id: int) -> Job:
        """One of the person's own. Raises NotFound."""
        return self._own(person, job_id)

    def request(self, person: Person, job_id: int) -> JobRequest:
        """What was asked, for "run again" and "edit and run again". Raises NotFound."""
        return self._renderer.request(self._own(person, job_id))

    def asked(self, job: Job) -> JobRequest:
        """What was asked of a job that the person may read. Raises NotFound, Invalid."""
        return self._renderer.request(job)

    def script(self, person: Person, job_id: int) -> Preview:
        """What Slurm really got, or will get. Raises NotFound."""
        job = self._readable(person, job_id)
        return self._renderer.preview(job, self._renderer.request(job))

    # cancelling -----------------------------------------------------------------------------------
    def cancel(self, person: Person, job_id: int) -> Job:
        """Cancel: at once while nothing is submitted, else the broker carries it to the scheduler.

        A job that is over, or already being cancelled, is returned as it is. Raises NotFound, Conflict.
        """
        changed = change_anyhow(
            self._store, [self._own(person, job_id)], lambda job: self._cancelling(job, person)
        )
        if changed.missed:
            raise Conflict(f"Job {job_id} keeps changing; try again.")
        if not changed.done:
            return self._own(person, job_id)
        log.info("cancel asked for", job=job_id, user=person.username)
        self._waker.wake()
        return changed.done[0]

    def _cancelling(self, job: Job, person: Person) -> Step | None:
        if job.state.final or job.cancel_requested:
            return None
        now = self._clock.now()
        asked = step(
            job,
            now,
            f"Cancel asked for by {person.username}",
            EventKind.CANCEL,
            cancel_requested=True,
            cancel_by=person.username,
        )
        if job.state is not JobState.ACCEPTED:
            return asked
        done = cancel_unsubmitted(asked.new, now)
        return Step(job, done.new, (*asked.events, *done.events))

    # what others ask -------------------------------------------------------------------------------
    def submissions(
        self, wanted: Sequence[tuple[Job, Mapping[int, int]]]
    ) -> dict[str, Submission | SciServerError]:
        """For the broker: see `Renderer.submissions`."""
        return self._renderer.submissions(wanted)

    def claim(
        self,
        uuid: str,
        secret: str,
        slurm_id: int,
        restarts: int = 0,
        task: int | None = None,
        node: str = "",
    ) -> tuple[str, str]:
        """For the job itself at its start: see `Launch.claim`."""
        return self._launch.claim(uuid, secret, slurm_id, restarts, task, node)

    def _readable(self, person: Person, job_id: int) -> Job:
        job = self._store.job(job_id)
        if job is not None and job.owner != person.username:
            job = self.readable(person, [job_id]).get(job_id)
        if job is None:
            raise NotFound(self._gone(person, job_id))
        return job

    def _own(self, person: Person, job_id: int) -> Job:
        job = self._store.job(job_id)
        if job is None:
            raise NotFound(self._gone(person, job_id))
        if job.owner != person.username:
            raise NotFound(f"You have no job {job_id}.")
        return job

    def _gone(self, person: Person, job_id: int) -> str:
        archived = self._store.archived_by_id([job_id]).get(job_id)
        if archived is not None and archived.owner == person.username:
            return archived.sentence
        return f"You have no job {job_id}."
