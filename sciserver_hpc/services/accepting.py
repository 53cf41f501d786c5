"""From a request to an accepted job: decide, make what is missing, record."""

from __future__ import annotations

import json
import uuid as uuids

import structlog

from ..domain.errors import Conflict, Invalid, Refused
from ..domain.jobs import Job, JobRequest
from ..domain.limits import excess, load_of
from ..domain.names import printable
from ..domain.people import Person
from ..domain.states import ACTIVE, JobState
from ..ports import Clock, Store
from .digest import digest
from .facts import Facts, Gatherer
from .homes import Homes
from .rendering import Renderer
from .resolve import Resolved, resolve

log = structlog.get_logger(__name__)

_SAME = ("uuid", "owner", "uid", "name", "domain", "image", "kind", "cluster")
"""Fields a job's row has in common with its spec."""


class Acceptor:
    """Accepts requests. `max_active`: the most unfinished jobs of one person."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        gatherer: Gatherer,
        homes: Homes,
        renderer: Renderer,
        max_active: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._gatherer = gatherer
        self._homes = homes
        self._renderer = renderer
        self._max_active = max_active

    def accept(self, person: Person, request: JobRequest, key: str | None) -> tuple[Job, bool]:
        """Record the job, or return the earlier one that `key` made of the same request, and False.

        Raises Invalid, Refused (every failing item), Conflict (`key` used for another request), Unavailable.
        """
        text = _canonical(request)
        if key is not None and (earlier := self._replayed(person, key, digest(text))):
            return earlier, False
        resolved = self._resolved(person, request)
        with self._store.transaction():
            self._check_cap(person)
            job = self._job(person, request, resolved, self._store.next_job_id())
            self._check_limits(person, job)
            secret = self._renderer.claim_secret(job.uuid)
            stored = self._store.add_job(job, digest(secret), text, key, digest(text))
        made = stored.uuid == job.uuid
        if made:
            log.info("job accepted", job=stored.id, user=person.username, domain=stored.domain)
        return stored, made

    def draft(self, person: Person, request: JobRequest) -> Job:
        """The job that `request` would become, recorded nowhere; its id is 0. Raises Invalid, Refused."""
        resolved = resolve(request, self._gatherer.gather(person, request))
        return self._job(person, request, resolved, 0)

    def _replayed(self, person: Person, key: str, fingerprint: str) -> Job | None:
        _check_key(key)
        known = self._store.job_by_key(person.username, key)
        if known is None:
            return None
        job, earlier = known
        if earlier != fingerprint:
            words = f"was used for job {job.id}, which is another request; use a new key"
            raise Conflict(f"This idempotency key {words}.")
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
        if self._store.count_jobs(person.username, ACTIVE) >= self._max_active:
            words = f"you have {self._max_active} unfinished jobs, the most one person may have"
            raise Refused({"jobs": f"{words}; wait for some or cancel some"})

    def _check_limits(self, person: Person, job: Job) -> None:
        self._store.hold_jobs(person.username)  # what others accept for the same person is counted too
        over = excess(self._gatherer.allowances(person), load_of(job.spec))
        if over:
            raise Refused(over)

    def _job(self, person: Person, request: JobRequest, resolved: Resolved, job_id: int) -> Job:
        now = self._clock.now()
        spec = resolved.spec(request, person, uuids.uuid4().hex, job_id, now)
        return Job(
            **{field: getattr(spec, field) for field in _SAME},
            id=job_id,
            version=1,
            state=JobState.ACCEPTED,
            spec=spec,
            accepted_at=now,
            changed_at=now,
        )


def _canonical(request: JobRequest) -> str:
    """The request as JSON, the same text for the same request whatever the order of its parameters.

    What was not asked is left out: run again, it means the domain's defaults again.
    """
    asked = request.model_dump(mode="json", exclude_unset=True)
    return json.dumps(asked, sort_keys=True, ensure_ascii=False)


def _check_key(key: str) -> None:
    if not 1 <= len(key) <= 200:
        raise Invalid({"key": "an idempotency key has 1 to 200 characters"})
    try:
        printable(key)
    except ValueError as error:
        raise Invalid({"key": str(error)}) from error
