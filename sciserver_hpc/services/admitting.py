"""Who is let into a session: a ticket for a click, a pass for a browser, a decision for each request.

nginx asks for each request (ngx_http_auth_request_module) and keeps nothing; see decision 14.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import structlog

from ..domain.access import Acting, Action, Decision, Resource, ResourceKind, decide, own_subjects
from ..domain.errors import Conflict, NotFound, Refused
from ..domain.jobs import Job
from ..domain.people import Person
from ..domain.sessions import Pass, Session, SessionMode, is_open
from ..domain.tokens import Token, TokenKind
from ..ports import Clock, Store
from .digest import digest

log = structlog.get_logger(__name__)

TICKET = timedelta(seconds=30)
"""How long a click may take to arrive at the session's own origin."""

_NEEDED = {SessionMode.USE: Action.WRITE, SessionMode.VIEW: Action.READ}


class Refusal(StrEnum):
    """Why somebody is not let in, in a word for logs and answers."""

    NO_PASS = "no_pass"  # noqa: S105 - a word
    NOT_YOURS = "not_yours"
    NOT_OPEN = "not_open"
    CROSS_ORIGIN = "cross_origin"

    @property
    def status(self) -> int:
        """In HTTP: of what is not 2xx, nginx takes 401 and 403 alone."""
        return 401 if self is Refusal.NO_PASS else 403


@dataclass(frozen=True)
class Incoming:
    """What a browser says of a request to a session's origin; "" where it says nothing (Fetch, HTML)."""

    origin: str = ""
    site: str = ""
    """Sec-Fetch-Site."""

    mode: str = ""
    """Sec-Fetch-Mode."""

    dest: str = ""
    """Sec-Fetch-Dest."""

    method: str = "GET"
    upgrade: bool = False
    """Is it to become a WebSocket?"""


@dataclass(frozen=True)
class Admission:
    """Let in: where to, and as which pass."""

    address: str
    uuid: str
    pass_id: int
    mode: SessionMode
    username: str


@dataclass(frozen=True)
class Entered:
    """secret: what the browser's cookie holds; path: what it opens first."""

    secret: str
    path: str


class Admitting:
    """Makes tickets and passes, and decides about requests. Raises Unavailable (the database).

    whose: the person of a user name as the directory knows them by now, as for a token (`Login.person`). A
    pass lives by a login, so it is good as long as that login would be.
    """

    def __init__(self, store: Store, clock: Clock, whose: Callable[[str], Person | None]) -> None:
        self._store = store
        self._clock = clock
        self._whose = whose

    def ticket(self, person: Person, login: Token, job_id: int, mode: SessionMode) -> tuple[Job, str]:
        """A ticket's secret for the session, once and for 30 seconds; it lives by the login.

        Raises NotFound, Refused (no grant; not after a login), Conflict (nobody can be let in now).
        """
        found = self._store.session(job_id)
        if found is None or not self.may(person, SessionMode.VIEW, *found):
            raise NotFound(f"You have no session {job_id}.")
        job, session = found
        decision = self.may(person, mode, job, session)
        if not decision:
            raise Refused({f"session {job_id}": decision.reason})
        if mode is SessionMode.VIEW and not (job.spec.app and job.spec.app.view):
            raise Refused({f"session {job_id}": "this app cannot show itself without being used"})
        if login.kind is not TokenKind.LOGIN:
            raise Refused({f"session {job_id}": "sessions are opened in a browser, after a login"})
        if not is_open(job, session):
            raise Conflict(f"Session {job_id} cannot be opened now; its card says why.")
        secret, now = secrets.token_urlsafe(32), self._clock.now()
        row = Pass(
            id=0,
            job_id=job_id,
            username=person.username,
            login=login.id,
            mode=mode,
            created_at=now,
            expires_at=now + TICKET,
        )
        self._store.add_ticket(row, digest(secret))
        return job, secret

    def enter(self, uuid: str, ticket: str) -> Entered | None:
        """Change a ticket for a pass; None where it is not good here and now."""
        found = self._store.session_by_uuid(uuid)
        if found is None or not is_open(*found):
            return None
        secret = secrets.token_urlsafe(32)
        used = self._store.use_ticket(found[0].id, digest(ticket), digest(secret), self._clock.now())
        if used is None:
            log.warning("ticket refused", session=found[0].id)
            return None
        log.info("session entered", session=found[0].id, user=used.username, mode=used.mode)
        app = found[0].spec.app
        return Entered(secret, app.open if app else "/")

    def admit(self, uuid: str, secret: str, origin: str, incoming: Incoming) -> Admission | Refusal:
        """Decide about one request. origin: the session's own."""
        found = self._store.session_by_uuid(uuid)
        if found is None or not secret:
            return Refusal.NO_PASS
        job, session = found
        one = self._store.live_pass(job.id, digest(secret), self._clock.now())
        if one is None:
            log.info("session request refused", session=job.id, why=Refusal.NO_PASS)
            return Refusal.NO_PASS
        if not _from_itself(origin, incoming):
            return self._refused(Refusal.CROSS_ORIGIN, job, one)
        if not self._holds(one, job, session):
            return self._refused(Refusal.NOT_YOURS, job, one)
        if not is_open(job, session):
            return Refusal.NOT_OPEN
        return Admission(session.address, uuid, one.id, one.mode, one.username)

    def over(self, live: Sequence[tuple[Job, Session]]) -> dict[int, list[int]]:
        """By session, its passes that are good no more: their login is over, or their right, or they are gone
        from the directory.

        Their connections are to be closed, then the passes.
        """
        by_id = {job.id: (job, session) for job, session in live}
        orphaned = {one.id for one in self._store.orphaned_passes(self._clock.now())}
        found: dict[int, list[int]] = {}
        for one in self._store.live_passes(list(by_id)):
            if one.id in orphaned or not self._holds(one, *by_id[one.job_id]):
                found.setdefault(one.job_id, []).append(one.id)
        return found

    def close(self, pass_ids: Sequence[int]) -> None:
        """These are over."""
        self._store.close_passes(pass_ids, self._clock.now())

    def may(self, person: Person, mode: SessionMode, job: Job, _session: Session) -> Decision:
        """May they be in it so? A grant to work in it includes to see it."""
        thing = Resource(kind=ResourceKind.SESSION, name=str(job.id))
        subjects, grants = self._store.reaching(own_subjects(person), [thing])
        return decide(Acting(person, subjects), _NEEDED[mode], thing, grants, self._clock.now(), job.owner)

    def _holds(self, one: Pass, job: Job, session: Session) -> bool:
        person = self._whose(one.username)
        return person is not None and bool(self.may(person, one.mode, job, session))

    def _refused(self, why: Refusal, job: Job, one: Pass) -> Refusal:
        log.warning("session request refused", session=job.id, user=one.username, why=why)
        return why


def _from_itself(origin: str, incoming: Incoming) -> bool:
    """Does the request come from the session's own pages, or from a person who follows a link?

    Sessions are of one site ("same-site"), so SameSite cookies do not keep one's pages from another's.
    A browser sends Origin with every WebSocket and with what is not GET or HEAD (Fetch standard, 3.2).
    """
    if incoming.origin and incoming.origin != origin:
        return False
    if incoming.upgrade or incoming.method not in ("GET", "HEAD"):
        return incoming.origin == origin
    if incoming.site in ("", "same-origin", "none"):
        return True
    return incoming.mode == "navigate" and incoming.dest == "document"
