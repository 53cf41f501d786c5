"""From requests to accepted jobs: decide, make what is missing, record."""

from __future__ import annotations

import json
import uuid as uuids
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..domain.errors import Conflict, Invalid, Refused, SciServerError
from ..domain.jobs import EventKind, Job, JobEvent, JobRequest, Kind, NewJob
from ..domain.limits import Allowance, excess
from ..domain.people import Person
from ..domain.resources import Resources
from ..domain.service_accounts import need_unix
from ..domain.states import ACTIVE, JobState
from ..ports import Clock, Store
from .digest import digest
from .facts import Facts, Gatherer
from .homes import Homes
from .rendering import Renderer
from .resolve import Resolved, resolve
from .room import Room

_SAME = ("uuid", "owner", "uid", "name", "domain", "image", "kind", "cluster")
"""Fields a job's row has in common with its spec."""

Outcome = tuple[Job, bool] | SciServerError
"""The job and whether it is new, or why there is none."""

Verdict = Resolved | SciServerError
"""What was decided about a request."""


@dataclass(frozen=True)
class Retry:
    """The failed `tasks` of the array `job`, to be run again; as sbatch writes indices."""

    job: Job
    tasks: str

    def told(self, again: Job) -> tuple[tuple[int, JobEvent], ...]:
        """A line in the history of each, that names the other."""
        at, which = again.accepted_at, _shortened(self.tasks)
        here = f"Runs again what failed of job {self.job.id}: tasks {which}"
        there = f"What failed of it runs again as job {again.id}: tasks {which}"
        return (
            (again.id, JobEvent(at=at, kind=EventKind.NOTE, state=again.state, text=here)),
            (self.job.id, JobEvent(at=at, kind=EventKind.NOTE, state=self.job.state, text=there)),
        )


def _shortened(tasks: str) -> str:
    return tasks if len(tasks) <= 200 else f"{tasks[:200].rpartition(',')[0]},…"


@dataclass(frozen=True)
class _Asked:
    """One of many requests; `text`: it as JSON; `fingerprint`: what it is recognised by."""

    place: int
    request: JobRequest
    key: str | None
    text: str
    fingerprint: str
    retry: Retry | None = None


@dataclass(frozen=True)
class Returning:
    """What is known of a job that runs and was forgotten: its copy in Slurm, its folder, its resources."""

    uuid: str
    slurm_id: int
    results_root: str
    folder: str
    resources: Resources

    def job(self, new: Job) -> Job:
        """`new`, as this one."""
        told = {"uuid": self.uuid, "folder": self.folder, "resources": self.resources, "deadline_s": None}
        return new.model_copy(
            update={
                "uuid": self.uuid,
                "spec": new.spec.model_copy(update=told),
                "state": JobState.SUBMITTING,
                "attempts": 1,
                "submitted_at": new.accepted_at,
                "slurm_id": self.slurm_id,
                "claimed_by": self.slurm_id,
            }
        )


class Acceptor:
    """Accepts requests. `max_active`: the most unfinished jobs of one person; `max_sessions`: the most
    sessions among these."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        gatherer: Gatherer,
        homes: Homes,
        renderer: Renderer,
        max_active: int,
        max_sessions: int = 0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._gatherer = gatherer
        self._homes = homes
        self._renderer = renderer
        self._max_active = max_active
        self._max_sessions = max_sessions

    def accept_many(self, person: Person, requests: Sequence[tuple[JobRequest, str | None]]) -> list[Outcome]:
        """Judge each request, with its idempotency key, as if it came alone; one outcome each, in order.

        What is accepted is recorded in one transaction. An earlier job of the same key and request is its
        outcome, with False. Errors of one: Invalid, Refused (every failing item), Conflict (the key was used
        for another request), Unavailable (a volume cannot be made now). Raises Unavailable when the database
        is away: nothing is recorded then.
        """
        return self._accept(person, [_asked(place, *one) for place, one in enumerate(requests)])

    def accept_retry(
        self, person: Person, request: JobRequest, key: str | None, retry: Retry
    ) -> tuple[Job, bool]:
        """The same for one that runs tasks of an earlier job again. Raises what `accept_many` answers."""
        [outcome] = self._accept(person, [replace(_asked(0, request, key), retry=retry)])
        if isinstance(outcome, SciServerError):
            raise outcome
        return outcome

    def _accept(self, person: Person, asked: Sequence[_Asked]) -> list[Outcome]:
        need_unix(person)
        outcomes = self._known(person, asked)
        left = [one for one in asked if one.place not in outcomes]
        if left:
            outcomes |= self._record(person, left, self._judge(person, left))
        return [outcomes[one.place] for one in asked]

    def draft(self, person: Person, request: JobRequest) -> Job:
        """The job that `request` would become now, recorded nowhere; its id is 0. Raises Invalid, Refused."""
        need_unix(person)
        resolved = resolve(request, self._gatherer.gather(person, [request]))
        if full := self._room(person, [request]).full(request):
            raise full
        if over := excess(self._gatherer.allowances(person), resolved.load(request)):
            raise Refused(over)
        return self._job(person, request, resolved, 0)

    def readmit(self, person: Person, request: JobRequest, returning: Returning) -> Job:
        """Record a job that runs already and was forgotten, by what the person may have today.

        It is in Slurm: nothing submits it again. Raises Invalid, Refused, Conflict (it is known).
        """
        need_unix(person)
        resolved = resolve(request, self._gatherer.gather(person, [request]))
        if resolved.results.source != returning.results_root:
            raise Invalid({"results": "its job folder is not where its results would go today"})
        with self._store.transaction():
            self._store.hold_jobs(person.username)
            if self._store.job_by_uuid(returning.uuid) is not None:
                raise Conflict("It is known again already.")
            [job_id] = self._store.next_job_ids(1)
            job = returning.job(self._job(person, request, resolved, job_id))
            self._store.add_jobs([self._new(job, _asked(0, request, None))])
        return job

    def _known(self, person: Person, asked: Iterable[_Asked]) -> dict[int, Outcome]:
        """By place the outcomes of those whose key was used before."""
        keyed = {one.place: (one.key, one.fingerprint) for one in asked if one.key is not None}
        if not keyed:
            return {}
        keys = {key for key, _ in keyed.values()}
        jobs = self._store.jobs_by_key(person.username, sorted(keys))
        archived = self._store.archived_by_key(person.username, sorted(keys - jobs.keys()))
        known: dict[int, Outcome] = {}
        for place, (key, fingerprint) in keyed.items():
            if key in jobs:
                known[place] = _again(*jobs[key], fingerprint)
            elif key in archived:
                known[place] = Conflict(f"The idempotency key was used before. {archived[key].sentence}")
        return known

    def _judge(self, person: Person, asked: Sequence[_Asked]) -> dict[int, Verdict]:
        """Decide, and make those of the person's default volumes that the jobs need and that are missing."""
        facts = self._gatherer.gather(person, [one.request for one in asked])
        made: dict[str, SciServerError | None] = {}
        verdicts: dict[int, Verdict] = {}
        for one in asked:
            verdict = _verdict(one.request, facts)
            for address in _missing(verdict, facts):
                if address not in made:
                    made[address] = self._make(person, address, facts)
                verdict = made[address] or verdict
            verdicts[one.place] = verdict
        return verdicts

    def _make(self, person: Person, address: str, facts: Facts) -> SciServerError | None:
        root, _, name = address.split("/")
        try:
            self._homes.make(person, facts.site.roots[root], name)
        except SciServerError as error:
            return error
        return None

    def _record(
        self, person: Person, asked: Sequence[_Asked], verdicts: Mapping[int, Verdict]
    ) -> dict[int, Outcome]:
        """Write those that nothing speaks against, as far as the person has room for them."""
        outcomes: dict[int, Outcome] = {
            place: verdict for place, verdict in verdicts.items() if not isinstance(verdict, Resolved)
        }
        if any(isinstance(verdict, Resolved) for verdict in verdicts.values()):
            with self._store.transaction():
                self._store.hold_jobs(person.username)  # what others accept for the same person counts too
                room = self._room(person, [one.request for one in asked])
                held = self._gatherer.allowances(person)
                admitted, repeated, over = _admit(asked, verdicts, room, held)
                outcomes |= over
                outcomes |= self._write(person, admitted)
                outcomes |= self._known(person, repeated)
        return outcomes

    def _room(self, person: Person, requests: Iterable[JobRequest]) -> Room:
        active = self._store.count_jobs(person.username, ACTIVE)
        counted = any(request.kind is Kind.SESSION for request in requests)
        sessions = self._store.count_sessions(person.username) if counted else 0
        return Room(active, self._max_active, sessions, self._max_sessions)

    def _write(self, person: Person, admitted: Sequence[tuple[_Asked, Resolved]]) -> dict[int, Outcome]:
        ids = self._store.next_job_ids(len(admitted))
        new = [
            self._new(self._job(person, one.request, resolved, job_id), one)
            for job_id, (one, resolved) in zip(ids, admitted, strict=True)
        ]
        stored = self._store.add_jobs(new)
        return {
            one.place: job if isinstance(job, SciServerError) else (job, job.uuid == row.job.uuid)
            for (one, _), row, job in zip(admitted, new, stored, strict=True)
        }

    def _new(self, job: Job, asked: _Asked) -> NewJob:
        digested = digest(self._renderer.claim_secret(job.uuid))
        if asked.retry is None:
            return NewJob(job, digested, asked.text, asked.key, asked.fingerprint)
        spec = job.spec.model_copy(update={"retry_of": asked.retry.job.id})
        again = job.model_copy(update={"spec": spec})
        return NewJob(again, digested, asked.text, asked.key, asked.fingerprint, asked.retry.told(again))

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


def _asked(place: int, request: JobRequest, key: str | None) -> _Asked:
    """With the request as JSON, recognised whatever the order of its parameters; that of a sweep says which
    task gets what.

    What was not asked is left out: run again, it means the domain's defaults again.
    """
    asked = request.model_dump(mode="json", exclude_unset=True)
    sweep = {"sweep": json.dumps(asked["sweep"])} if request.sweep else {}
    recognised = json.dumps(asked | sweep, sort_keys=True, ensure_ascii=False)
    text = json.dumps(asked, ensure_ascii=False) if sweep else recognised
    return _Asked(place, request, key, text, digest(recognised))


def _again(job: Job, earlier: str, fingerprint: str) -> Outcome:
    if earlier == fingerprint:
        return job, False
    words = f"was used for job {job.id}, which is another request; use a new key"
    return Conflict(f"This idempotency key {words}.")


def _verdict(request: JobRequest, facts: Facts) -> Verdict:
    try:
        return resolve(request, facts)
    except SciServerError as error:
        return error


def _missing(verdict: Verdict, facts: Facts) -> list[str]:
    """Addresses of user volumes that the job needs and that are to be made."""
    mounts = verdict.mounts if isinstance(verdict, Resolved) else ()
    return [m.volume for m in mounts if "/" in m.volume and m.volume not in facts.volumes]


def _admit(
    asked: Sequence[_Asked], verdicts: Mapping[int, Verdict], room: Room, held: Sequence[Allowance]
) -> tuple[list[tuple[_Asked, Resolved]], list[_Asked], dict[int, Refused]]:
    """Those to be written, each key once; those whose key may have been used meanwhile; refusals by place."""
    admitted: list[tuple[_Asked, Resolved]] = []
    repeated: list[_Asked] = []
    refused: dict[int, Refused] = {}
    keys: set[str] = set()
    for one in asked:
        verdict = verdicts[one.place]
        if one.key in keys:
            repeated.append(one)
        elif isinstance(verdict, Resolved):
            load = verdict.load(one.request)
            over = excess(held, load)
            if full := room.full(one.request) or (Refused(over) if over else None):
                refused[one.place] = full
                repeated.append(one)  # that which fills the place may be the same, sent twice at once
                continue
            held, room = [allowance.after(load) for allowance in held], room.after(one.request)
            admitted.append((one, verdict))
            keys.update(() if one.key is None else (one.key,))
    return admitted, repeated, refused
