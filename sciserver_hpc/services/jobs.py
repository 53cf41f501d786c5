"""A person's jobs: ask, look, cancel; and what the broker and a job's own start ask of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid as uuids
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import ValidationError

from ..domain.errors import Conflict, Invalid, NotFound, Refused
from ..domain.jobs import EventKind, Job, JobEvent, JobRequest, JobSpec
from ..domain.lifecycle import Step, cancel_unsubmitted, step
from ..domain.names import printable
from ..domain.people import Person
from ..domain.problems import problems
from ..domain.scheduling import Owner, Submission
from ..domain.states import ACTIVE, JobState
from ..ports import Clock, Scheduler, Store, Waker
from ..render import Surroundings, render
from .facts import Facts, Gatherer
from .homes import Homes
from .launch import standing, withdrawn
from .login import digest
from .resolve import Resolved, payload_files, resolve
from .site import Site

log = structlog.get_logger(__name__)

_TRIES = 5
"""How often a change is tried anew when the broker changed the same row meanwhile."""


@dataclass(frozen=True)
class Preview:
    """What Slurm would get: the resolved spec, sbatch's options and the wrapper script."""

    spec: JobSpec
    options: tuple[str, ...]
    script: str


@dataclass(frozen=True)
class JobRules:
    """What the site sets for jobs. `claim_key`: the portal's key, from which claim secrets are derived."""

    surroundings: Surroundings
    claim_key: bytes
    max_active: int


class Jobs:
    """The use cases around jobs. Each loads by `_own`, so that another person's job is always NotFound."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        waker: Waker,
        schedulers: Mapping[str, Scheduler],
        site: Site,
        gatherer: Gatherer,
        homes: Homes,
        rules: JobRules,
    ) -> None:
        self._store = store
        self._clock = clock
        self._waker = waker
        self._schedulers = schedulers
        self._site = site
        self._gatherer = gatherer
        self._homes = homes
        self._rules = rules

    # asking ---------------------------------------------------------------------------------------
    def submit(self, person: Person, request: JobRequest, key: str | None = None) -> tuple[Job, bool]:
        """Accept a job; the bool is False when `key` was used before for the same request.

        Raises Invalid, Refused (every failing item), Conflict (`key` used for another request), Unavailable.
        """
        text = _canonical(request)
        fingerprint = digest(text)
        if key is not None and (earlier := self._replayed(person, key, fingerprint)):
            return earlier, False
        resolved = self._resolved(person, request)
        self._check_cap(person)
        job = self._new_job(person, request, resolved, self._store.next_job_id())
        stored = self._store.add_job(job, digest(self._claim_secret(job.uuid)), text, key, fingerprint)
        made = stored.uuid == job.uuid
        if made:
            log.info("job accepted", job=stored.id, user=person.username, domain=stored.domain)
            self._waker.wake()
        return stored, made

    def preview(self, person: Person, request: JobRequest) -> Preview:
        """What would become of the request, without making anything. Raises Invalid, Refused."""
        facts = self._gatherer.gather(person, request)
        job = self._new_job(person, request, resolve(request, facts), 0)
        submission = self._render(job, request, "(hidden)", self._slurm_ids(job))
        return Preview(job.spec, submission.options, submission.script)

    def test_only(self, person: Person, request: JobRequest) -> str:
        """What the scheduler says it would do with the request. Raises Invalid, Refused, Unavailable."""
        job = self._new_job(person, request, self._resolved(person, request), 0)
        scheduler = self._schedulers.get(job.cluster)
        if scheduler is None:
            raise NotFound(f"Cluster {job.cluster} is not configured; tell an administrator.")
        submission = self._render(job, request, "(hidden)", self._slurm_ids(job))
        return scheduler.test_only(_owner(job), submission)

    # looking --------------------------------------------------------------------------------------
    def get(self, person: Person, job_id: int) -> Job:
        """One of the person's jobs. Raises NotFound."""
        return self._own(person, job_id)

    def list(
        self,
        person: Person,
        *,
        states: Sequence[JobState] | None = None,
        domain: str | None = None,
        name: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """The person's jobs, newest first. `before_id`: last id of the page before; `name`: a part of it."""
        return self._store.jobs(
            owner=person.username,
            states=states,
            domain=domain,
            name=name,
            after=after,
            before=before,
            before_id=before_id,
            limit=max(1, min(limit, 500)),
        )

    def events(self, person: Person, job_id: int) -> Sequence[JobEvent]:
        """The job's history, oldest first. Raises NotFound."""
        return self._store.events(self._own(person, job_id).id)

    def request(self, person: Person, job_id: int) -> JobRequest:
        """What was asked, for "run again" and "edit and run again". Raises NotFound."""
        return self._request(self._own(person, job_id))

    def script(self, person: Person, job_id: int) -> Preview:
        """What Slurm really got, or will get. Raises NotFound."""
        job = self._own(person, job_id)
        submission = self._render(job, self._request(job), "(hidden)", self._slurm_ids(job))
        return Preview(job.spec, submission.options, submission.script)

    # cancelling -----------------------------------------------------------------------------------
    def cancel(self, person: Person, job_id: int) -> Job:
        """Cancel: at once while nothing is submitted, else the broker carries it to the scheduler.

        A job that is over, or already being cancelled, is returned as it is. Raises NotFound, Conflict.
        """
        for _ in range(_TRIES):
            job = self._own(person, job_id)
            if job.state.final or job.cancel_requested:
                return job
            change = self._cancelling(job, person)
            changed = self._store.change_job(change.old, change.new, change.events)
            if changed is not None:
                log.info("cancel asked for", job=job.id, user=person.username)
                self._waker.wake()
                return changed
        raise Conflict(f"Job {job_id} keeps changing; try again.")

    def _cancelling(self, job: Job, person: Person) -> Step:
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

    # for the broker -------------------------------------------------------------------------------
    def submission(self, job: Job, slurm_ids: Mapping[int, int]) -> Submission:
        """What the owner's agent gets for `job`. `slurm_ids`: job id → Slurm id of those to wait for there.

        Dependencies not in `slurm_ids` are met already. Raises NotFound, Invalid.
        """
        return self._render(job, self._request(job), self._claim_secret(job.uuid), slurm_ids)

    # for the job itself ---------------------------------------------------------------------------
    def claim(
        self, uuid: str, secret: str, slurm_id: int, restarts: int = 0, task: int | None = None
    ) -> tuple[str, str]:
        """A job asks at its start whether to run: (`run`, `duplicate`, `refused` or `unknown`, reason)."""
        before = self._store.job_by_uuid(uuid)
        verdict = self._store.claim(uuid, digest(secret), slurm_id, restarts, task, self._clock.now())
        if before is None or verdict != "run":
            return verdict, _CLAIM_REASONS.get(verdict, "")
        reason = standing(before) or self._withdrawn(before)
        if reason:
            self._note(before.id, f"Start refused: {reason}")
            return "refused", reason
        if before.claimed_by is None:
            self._note(before.id, f"Start claimed by Slurm job {slurm_id}")
        return "run", ""

    def _withdrawn(self, job: Job) -> str:
        person = self._store.person(job.owner)
        if person is None:
            return f"{job.owner} is not known here any more"
        return withdrawn(job.spec, self._site.load(), self._site.load_rights(person))

    def _note(self, job_id: int, text: str) -> None:
        """Put a line into the job's history once; array tasks all say the same."""
        if any(event.text == text for event in self._store.events(job_id)):
            return
        for _ in range(_TRIES):
            job = self._store.job(job_id)
            if job is None:
                return
            change = step(job, self._clock.now(), text, EventKind.CLAIM)
            if self._store.change_job(change.old, change.new, change.events) is not None:
                return
        log.warning("event not recorded", job=job_id, text=text)

    # parts ----------------------------------------------------------------------------------------
    def _own(self, person: Person, job_id: int) -> Job:
        job = self._store.job(job_id)
        if job is None or job.owner != person.username:
            raise NotFound(f"You have no job {job_id}.")
        return job

    def _replayed(self, person: Person, key: str, fingerprint: str) -> Job | None:
        _check_key(key)
        known = self._store.job_by_key(person.username, key)
        if known is None:
            return None
        job, earlier = known
        if earlier != fingerprint:
            raise Conflict(
                f"This idempotency key was used for job {job.id}, which is another request; use a new key."
            )
        return job

    def _resolved(self, person: Person, request: JobRequest) -> Resolved:
        """Decide, and make those of the person's default volumes that the job needs and that are missing."""
        facts = self._gatherer.gather(person, request)
        resolved = resolve(request, facts)
        for mount in resolved.mounts:
            self._make_missing(person, mount.volume, facts)
        return resolved

    def _make_missing(self, person: Person, address: str, facts: Facts) -> None:
        root, _, path = address.partition("/")
        if path and address not in facts.volumes:
            self._homes.make(person, facts.site.roots[root], path.split("/")[1])

    def _check_cap(self, person: Person) -> None:
        cap = self._rules.max_active
        if self._store.count_jobs(person.username, ACTIVE) >= cap:
            reason = (
                f"you have {cap} unfinished jobs, the most one person may have; wait for some or cancel some"
            )
            raise Refused({"jobs": reason})

    def _new_job(self, person: Person, request: JobRequest, resolved: Resolved, job_id: int) -> Job:
        now = self._clock.now()
        spec = resolved.spec(request, person, uuids.uuid4().hex, job_id, now)
        same = ("uuid", "owner", "uid", "name", "domain", "image", "kind", "cluster")
        return Job(
            **{field: getattr(spec, field) for field in same},
            id=job_id,
            version=1,
            state=JobState.ACCEPTED,
            spec=spec,
            accepted_at=now,
            changed_at=now,
        )

    def _request(self, job: Job) -> JobRequest:
        text = self._store.request(job.id)
        if text is None:
            raise NotFound(f"The text of job {job.id} is no longer kept.")
        try:
            return JobRequest.model_validate_json(text)
        except ValidationError as error:
            raise Invalid(problems(error)) from error

    def _render(self, job: Job, request: JobRequest, secret: str, slurm_ids: Mapping[int, int]) -> Submission:
        """Render `job` with those of its dependencies that are still to wait for."""
        waiting = tuple(d for d in job.spec.dependencies if d.job in slurm_ids)
        return render(
            job.spec.model_copy(update={"dependencies": waiting}),
            job.id,
            files=payload_files(request),
            claim_secret=secret,
            surroundings=self._rules.surroundings,
            slurm_ids=slurm_ids,
        )

    def _slurm_ids(self, job: Job) -> dict[int, int]:
        ids = [dependency.job for dependency in job.spec.dependencies]
        others = self._store.jobs_by_id(ids) if ids else {}
        return {other.id: other.slurm_id for other in others.values() if other.slurm_id}

    def _claim_secret(self, uuid: str) -> str:
        """The secret a job shows at its start: derived, so that the broker can write it down at submission
        while the database holds nothing but its digest."""
        return hmac.new(self._rules.claim_key, f"claim {uuid}".encode(), hashlib.sha256).hexdigest()


_CLAIM_REASONS = {
    "duplicate": "another copy of this job has claimed the start",
    "unknown": "no job with this uuid and secret",
}


def _owner(job: Job) -> Owner:
    return Owner(username=job.owner, uid=job.uid, gid=job.spec.gid)


def _canonical(request: JobRequest) -> str:
    """The request as JSON, the same text for the same request whatever the order of its parameters."""
    return json.dumps(request.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)


def _check_key(key: str) -> None:
    if not 1 <= len(key) <= 200:
        raise Invalid({"key": "an idempotency key has 1 to 200 characters"})
    try:
        printable(key)
    except ValueError as error:
        raise Invalid({"key": str(error)}) from error
