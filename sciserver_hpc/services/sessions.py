"""A person's sessions: start, look, extend, stop, start again; kept forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from ..domain.access import Action
from ..domain.apps import App
from ..domain.catalogue import ComputeDomain, Image
from ..domain.errors import Conflict, Invalid, NotFound, Refused
from ..domain.jobs import Job, JobRequest
from ..domain.names import Slug
from ..domain.people import Person
from ..domain.session_views import SessionView, extendable_until, for_guests, session_view
from ..domain.sessions import Gauge, Session, SessionMode, SessionRequest, as_session, is_open, is_reached
from ..ports import Clock, Store, Waker
from .admitting import Admitting
from .digest import digest
from .jobs import Jobs
from .site import Rights, Site, Snapshot

log = structlog.get_logger(__name__)

MOST_CARDS = 100
MOST_PRESETS = 20
TRIES = 5
Found = tuple[Job, Session]


class Sessions:
    """The use cases around sessions. What is not the asker's, nor shared with them, is NotFound."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        waker: Waker,
        jobs: Jobs,
        site: Site,
        admitting: Admitting,
        gauge: Gauge,
    ) -> None:
        self._store = store
        self._clock = clock
        self._waker = waker
        self._jobs = jobs
        self._site = site
        self._admitting = admitting
        self._gauge = gauge

    # what there is ---------------------------------------------------------------------------------
    def apps(self, person: Person) -> list[App]:
        """The apps the person may start: granted to them, and somewhere an image holds it."""
        site, rights = self._site.snapshot(), self._site.rights(person)
        return [app for app in self._granted(site, rights) if _places(site, rights, app)]

    def app(self, person: Person, name: str) -> App:
        """One that is granted to the person, whether or not an image holds it now. Raises NotFound."""
        granted = self._granted(self._site.snapshot(), self._site.rights(person))
        found = next((app for app in granted if app.name == name), None)
        if found is None:
            raise NotFound(f"There is no app {name} for you.")
        return found

    @staticmethod
    def _granted(site: Snapshot, rights: Rights) -> list[App]:
        return [app for app in site.apps.values() if rights.may(Action.USE, "app", app.name)]

    def icon(self, name: str) -> str:
        """The SVG of an app, for whoever may log in: apps are the site's. Raises NotFound."""
        app = self._site.snapshot().apps.get(name)
        if app is None or not app.icon:
            raise NotFound(f"There is no icon of an app {name}.")
        return app.icon

    def places(self, person: Person, app: App) -> list[tuple[ComputeDomain, list[Image]]]:
        """Domains where the person may start it, each with the images they may use that hold it; all that its
        services need is there."""
        return _places(self._site.snapshot(), self._site.rights(person), app)

    # starting --------------------------------------------------------------------------------------
    def start(self, person: Person, request: SessionRequest, key: str | None = None) -> Job:
        """Accept a session: see `Jobs.submit`. Raises Invalid, Refused, Conflict, Unavailable."""
        job, new = self._jobs.submit(person, self._named(request), key)
        if new:
            log.info("session accepted", session=job.id, user=person.username, app=request.app)
        return job

    def _named(self, request: SessionRequest) -> JobRequest:
        app = self._site.snapshot().apps.get(request.app)
        named = request if request.name or app is None else request.model_copy(update={"name": app.title})
        return named.as_job()

    def expected_start(self, person: Person, request: SessionRequest) -> str:
        """What the scheduler says of it. Raises Invalid, Refused, Unavailable."""
        return self._jobs.test_only(person, self._named(request))

    def again(self, person: Person, job_id: int) -> Job:
        """Start an ended session again, with the same volumes: another job, the same however often it is
        asked for. Raises NotFound, Conflict …"""
        job, _ = self._own(person, job_id)
        if not job.state.final:
            raise Conflict(f"Session {job_id} is not over.")
        new = self.start(person, self.request(person, job_id), f"again-{job.uuid}")
        self._change(job_id, {"forgotten": True})
        return new

    def request(self, person: Person, job_id: int) -> SessionRequest:
        """What was asked. Raises NotFound."""
        self._own(person, job_id)
        return as_session(self._jobs.request(person, job_id))

    # looking ---------------------------------------------------------------------------------------
    def list(self, person: Person) -> Sequence[Found]:
        """The person's sessions, newest first, without those they took away."""
        return self._store.sessions_of(person.username, MOST_CARDS)

    def shared(self, person: Person) -> Sequence[Found]:
        """Sessions of others that they may open now."""
        grants = self._site.rights(person).grants
        named = {
            g.resource.name for g in grants if g.resource.kind == "session" and g.lives(self._clock.now())
        }
        found = self._store.sessions_by_id([int(name) for name in named if name.isdecimal()])
        return [
            (job, session)
            for job, session in found
            if job.owner != person.username
            and is_open(job, session)
            and self._admitting.may(person, SessionMode.VIEW, job, session)
        ]

    def get(self, person: Person, job_id: int) -> Found:
        """One of the person's, or one they may see. Raises NotFound."""
        found = self._store.session(job_id)
        if found is None or not self._admitting.may(person, SessionMode.VIEW, *found):
            raise NotFound(f"You have no session {job_id}.")
        return found

    def visible(self, person: Person, job_ids: Sequence[int]) -> dict[int, Job]:
        """Those of these sessions that the person may see, by id."""
        return {
            job.id: job
            for job, session in self._store.sessions_by_id(job_ids)
            if self._admitting.may(person, SessionMode.VIEW, job, session)
        }

    def by_uuid(self, person: Person, uuid: str) -> Found:
        """The same, by what stands in its origin. Raises NotFound."""
        found = self._store.session_by_uuid(uuid)
        if found is None:
            raise NotFound("There is no such session.")
        return self.get(person, found[0].id)

    def _present(self, found: Sequence[Found]) -> dict[int, Sequence[str]]:
        """By session, who has it open, as its gate counted them last."""
        by_id = {job.id: session for job, session in found if session.status is not None}
        here: dict[int, set[str]] = {number: set() for number in by_id}
        for one in self._store.live_passes(list(by_id)):
            status = by_id[one.job_id].status
            if status is not None and status.passes.get(one.id):
                here[one.job_id].add(one.username)
        return {number: sorted(names) for number, names in here.items()}

    def shown(self, person: Person, found: Sequence[Found]) -> Sequence[SessionView]:
        """As the person sees them."""
        here, now = self._present(found), self._clock.now()
        views = [
            session_view(job, session, tuple(here.get(job.id, ())), self._gauge, now)
            for job, session in found
        ]
        return [view if view.job.owner == person.username else for_guests(view) for view in views]

    # changing --------------------------------------------------------------------------------------
    def extend(self, person: Person, job_id: int, by: timedelta) -> Session:
        """Move the end, as far as Slurm's limit lets. Raises NotFound, Refused, Conflict."""
        found = self._own(person, job_id)
        limit = extendable_until(*found)
        if limit is None or found[1].ends_at is None:
            raise Refused({f"session {job_id}": "it cannot be extended; start it again when it is over"})
        if by < timedelta(minutes=1):
            raise Invalid({"by": "extend by a minute at least"})
        end = min(found[1].ends_at + by, limit)
        log.info("session extended", session=job_id, user=person.username, until=end.isoformat())
        return self._change(job_id, {"ends_at": end, "time_warned_at": None})

    def stop(self, person: Person, job_id: int) -> Job:
        """End it: its app may save first. Raises NotFound, Conflict."""
        self._own(person, job_id)
        return self._jobs.cancel(person, job_id)

    def forget(self, person: Person, job_id: int) -> None:
        """Take the card of an ended session away. Raises NotFound, Conflict."""
        job, _ = self._own(person, job_id)
        if not job.state.final:
            raise Conflict(f"Session {job_id} is not over; stop it first.")
        self._change(job_id, {"forgotten": True})

    def knock(self, uuid: str, secret: str, slurm_id: int) -> bool:
        """A gate says that it is ready. False: by none of ours, or not by the copy that runs."""
        found = self._store.session_by_uuid(uuid)
        # Claimed before, a claim is but asked about.
        now = self._clock.now()
        if found is None or self._store.claim(uuid, digest(secret), slurm_id, 0, None, now) != "run":
            return False
        if not is_reached(*found):
            self._change(found[0].id, {"knocked": True})
            self._waker.wake()
        return True

    # kept forms ------------------------------------------------------------------------------------
    def presets(self, person: Person, app: str) -> Mapping[str, str]:
        """Forms the person kept: name → SessionRequest as JSON."""
        return self._store.presets(person.username, app)

    def keep_preset(self, person: Person, name: Slug, request: SessionRequest) -> None:
        """Keep a form under a name, in the place of one that has it. Raises Invalid."""
        kept = self._store.presets(person.username, request.app)
        if name not in kept and len(kept) >= MOST_PRESETS:
            raise Invalid({"preset": f"you keep {len(kept)} already, the most there may be; remove one"})
        text = request.model_dump_json(exclude_unset=True)
        self._store.keep_preset(person.username, request.app, name, text)

    def remove_preset(self, person: Person, app: str, name: str) -> None:
        """Raises NotFound."""
        if not self._store.remove_preset(person.username, app, name):
            raise NotFound(f"You keep no form {name}.")

    def last(self, person: Person, app: str) -> SessionRequest | None:
        """What the person asked for when they last started this app."""
        found = self._store.sessions_of(person.username, MOST_CARDS)
        job = next((job for job, session in found if session.app == app), None)
        try:
            return None if job is None else self.request(person, job.id)
        except (NotFound, Invalid):  # its text is kept no more, or of another version
            return None

    def _own(self, person: Person, job_id: int) -> Found:
        found = self._store.session(job_id)
        if found is None or found[0].owner != person.username:
            raise NotFound(f"You have no session {job_id}.")
        return found

    def _change(self, job_id: int, fields: Mapping[str, object]) -> Session:
        for _ in range(TRIES):
            found = self._store.session(job_id)
            if found is None:
                raise NotFound(f"There is no session {job_id}.")
            kept = self._store.keep_session(found[1], found[1].model_copy(update=fields))
            if kept is not None:
                return kept
        raise Conflict(f"Session {job_id} keeps changing; try again.")


def _places(site: Snapshot, rights: Rights, app: App) -> list[tuple[ComputeDomain, list[Image]]]:
    places = []
    usable = {name for name in app.service_images if rights.may(Action.USE, "image", name)}
    for domain in site.domains.values():
        served = app.service_images <= usable & set(domain.images) & site.images.keys()
        if served and domain.interactive and rights.may(Action.USE, "domain", domain.name):
            images = [site.images[name] for name in domain.images if name in site.images]
            fit = [i for i in images if app.name in i.apps and rights.may(Action.USE, "image", i.name)]
            places += [(domain, fit)] if fit else []
    return places
