"""The small site with sessions: apps lab (for everyone) and desk (granted to nobody).

Domains for sessions: night (no image that holds an app), quick (python holds lab; r holds none). A session of
quick may be extended by two hours.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sciserver_hpc.domain.access import Action, Resource
from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.catalogue import ComputeDomain
from sciserver_hpc.domain.groups import user
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.resources import Limits, Resources
from sciserver_hpc.domain.sessions import Gauge, Session, SessionMode, SessionRequest
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tokens import Token
from sciserver_hpc.services.admitting import Admission, Admitting, Entered, Incoming, Refusal
from sciserver_hpc.services.sessions import Sessions
from tests.fakes.jobs import change_job
from tests.fakes.sessions import ADDRESS, make_status

from .world import ALICE, BOB, CAROL, PASSWORDS, ROOTS, SITE, World, grant

LAB = App.model_validate(
    {
        "name": "lab",
        "version": "1",
        "title": "The Lab",
        "tested": True,
        "view": True,
        "open": "/lab",
        "start": "exec lab",
        "resources": {"cpus": {"default": 4, "min": 2, "max": 6}, "memory_mb": {"default": 3000}},
        "form": [
            {
                "name": "hours",
                "type": "number",
                "label": "Hours",
                "default": 1,
                "min": 1,
                "max": 24,
                "sets": "time_limit_s",
                "times": 3600,
            },
            {"name": "place", "type": "volume", "label": "Where"},
        ],
    }
)
DESK = LAB.model_copy(update={"name": "desk", "title": "Desk", "view": False})
QUICK = ComputeDomain(
    name="quick",
    partition="interactive",
    interactive=True,
    batch=False,
    images=("r", "hidden", "python"),
    root_volumes=ROOTS,
    limits=Limits(cpus=8, memory_mb=2500, time_limit_s=8 * 3600),
    defaults=Resources(cpus=1, memory_mb=1000, time_limit_s=7200),
    extension_s=7200,
)
NIGHT = QUICK.model_copy(update={"name": "night", "images": ("r",)})
APPS_OF = {"python": ("lab", "desk"), "hidden": ("lab",)}
SITE_WITH = SITE.model_copy(
    update={
        "domains": (NIGHT, *(QUICK if domain.name == "quick" else domain for domain in SITE.domains)),
        "images": tuple(
            image.model_copy(update={"apps": APPS_OF.get(image.name, ())}) for image in SITE.images
        ),
        "grants": (*SITE.grants, grant(Action.USE, "domain", "night"), grant(Action.USE, "app", "lab")),
    }
)
GAUGE = Gauge(idle_s=7200, grace_s=600)
ORIGIN = "https://x.sessions.test"
PAGE = Incoming(site="same-origin", mode="navigate", dest="document")
"""What a browser says of a link inside the session."""


class SessionWorld(World):
    """With sessions and who is let in. Everybody logged in once: `logins`, the tokens."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.apps.update({"lab": LAB, "desk": DESK})
        self.site_is(SITE_WITH)
        self.logins = {person.username: self.log_in(person) for person in (ALICE, BOB, CAROL)}
        self.admitting = Admitting(self.store, self.clock, self.login.person)
        self.sessions = self.make_sessions()

    def make_sessions(self, max_sessions: int = 5, max_active: int = 100) -> Sessions:
        jobs = self.make_jobs(max_active, max_sessions)
        return Sessions(self.store, self.clock, self.waker, jobs, self.site, self.admitting, GAUGE)

    def site_is(self, site: Any) -> None:
        self.store.apply_site(site)
        self.clock.advance(2)

    def log_in(self, person: Person) -> Token:
        return self.login.password(person.username, PASSWORDS[person.username], "10.0.0.1")[2]

    def start(self, person: Person = ALICE, **fields: Any) -> Job:
        return self.sessions.start(person, SessionRequest(app="lab", **fields))

    def move(self, job: Job, **fields: Any) -> Job:
        old = self.store.job(job.id)
        assert old is not None
        changed = change_job(self.store, old, old.model_copy(update=fields), ())
        assert changed is not None
        return changed

    def row(self, job: Job, **fields: Any) -> Session:
        """The session's row, changed."""
        found = self.store.session(job.id)
        assert found is not None
        kept = self.store.keep_session(found[1], found[1].model_copy(update=fields))
        assert kept is not None
        return kept

    def opened(self, job: Job, deadline: timedelta | None = timedelta(hours=1)) -> Job:
        """It runs, and its gate was reached."""
        now = self.clock.now()
        told = {"state": JobState.RUNNING, "slurm_id": 1001, "claimed_by": 1001, "started_at": now}
        job = self.move(job, **told)
        status = make_status(job)
        ends = deadline and now + deadline
        self.row(job, address=ADDRESS, status=status, seen_at=now, ready_at=now, ends_at=ends)
        return job

    def over(self, job: Job, state: JobState = JobState.SUCCEEDED) -> Job:
        return self.move(job, state=state, ended_at=self.clock.now())

    def grant(self, job: Job, action: Action, person: Person, expires: Any = None) -> None:
        given = grant(
            action, "session", str(job.id), user(person.username), granted_by="alice", expires=expires
        )
        self.store.add_grants([given], self.clock.now())

    def revoke(self, job: Job) -> None:
        """All grants on it."""
        shares = self.store.shares_on(Resource(kind="session", name=str(job.id)))
        self.store.drop_grants([share.id for share in shares])

    # coming in
    def ticket(
        self,
        job: Job,
        person: Person = ALICE,
        mode: SessionMode = SessionMode.USE,
        login: Token | None = None,
    ) -> str:
        return self.admitting.ticket(person, login or self.logins[person.username], job.id, mode)[1]

    def enter(self, job: Job, person: Person = ALICE, mode: SessionMode = SessionMode.USE) -> str:
        """What the browser's cookie holds then."""
        entered = self.admitting.enter(job.uuid, self.ticket(job, person, mode))
        assert isinstance(entered, Entered)
        return entered.secret

    def admit(self, job: Job, secret: str, incoming: Incoming = PAGE) -> Admission | Refusal:
        return self.admitting.admit(job.uuid, secret, ORIGIN, incoming)
