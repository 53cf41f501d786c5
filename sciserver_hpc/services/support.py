"""Looking as somebody else, for support: begun with a reason, told to them, over before long."""

from __future__ import annotations

from datetime import timedelta

import structlog
from pydantic import TypeAdapter, ValidationError

from ..domain.access import THE_SITE
from ..domain.administration import Power
from ..domain.audit import Asker, Entry
from ..domain.errors import Invalid, NotFound, Refused
from ..domain.groups import user
from ..domain.people import Person
from ..domain.support import Reason, SupportSession, refuse_look
from ..domain.tokens import Token
from ..ports import Clock, Store
from .administration import Administration
from .digest import digest, new_secret
from .login import Login
from .trail import Act, Trail

log = structlog.get_logger(__name__)

PREFIX = "shs_"
"""What every secret of a support session starts with."""

_REASON: TypeAdapter[str] = TypeAdapter(Reason)
OVER = "its time was over, or the login it was bound to ended"
LOST = "who looked may not look as them any more"


class Support:
    """The use cases. longest: how long a session lasts at most."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        login: Login,
        administration: Administration,
        longest: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._login = login
        self._administration = administration
        self._longest = longest
        self._trail = Trail(store, clock)

    def begin(self, asker: Asker, login: Token, username: str, reason: str) -> tuple[str, SupportSession]:
        """Look as `username` from now on; return the session's secret, shown once, and the session.

        Ends with `login` at the latest. Raises Invalid (no reason), Refused, NotFound (nobody known here).
        """
        why, whom = _checked(reason), self._login.person(username)
        self.settle()
        secret, now = new_secret(PREFIX), self._clock.now()
        until = min(now + self._longest, login.expires_at)
        detail = f"{why} (until {until:%Y-%m-%d %H:%M} UTC)"
        with self._trail.acting(asker, Act("support.begin", THE_SITE, user(username), detail)):
            self._administration.demand(asker.person, Power.SUPPORT)
            if whom is None:
                raise NotFound(f"Nobody called {username} logged in here so far.")
            self._check(asker.person, whom)
            log.info("support begins", user=asker.person.username, looks_as=username)
            return secret, self._store.add_support(
                SupportSession(
                    id=0,
                    actor=asker.person.username,
                    username=username,
                    reason=why,
                    login=login.id,
                    digest=digest(secret),
                    created_at=now,
                    expires_at=until,
                )
            )
        raise AssertionError("the block above returns or raises")

    def resolve(
        self, secret: str, login: Token | None = None
    ) -> tuple[Person, Person, SupportSession] | None:
        """Who is looked as, who looks, and the session of a secret; None, and it ends, when it may not go on.

        login: with which the secret came, where it came with one; it has to be the session's own.
        """
        if not secret.startswith(PREFIX) or len(secret) > 100:
            return None
        session = self._store.support(digest(secret))
        if session is None or (login is not None and login.id != session.login):
            return None
        now = self._clock.now()
        if session.expires_at <= now or not self._store.token_lives(session.login, now):
            self.settle()
            return None
        actor, whom = self._login.person(session.actor), self._login.person(session.username)
        try:
            if actor is None or whom is None:
                raise Refused({f"look as {session.username}": "gone from the directory"})
            self._check(actor, whom)
        except Refused:
            self._end(session, session.actor, LOST)
            return None
        return whom, actor, session

    def visited(self, session: SupportSession, group: str, request_id: str) -> None:
        """Tell in the trail, once a session, that pages of this group were looked at."""
        if group in session.seen:
            return
        with self._store.transaction():
            if self._store.note_seen(session.id, group):
                self._record(session, "support.look", session.actor, group, request_id)

    def end(self, session: SupportSession, request_id: str = "") -> None:
        """End it, as who looks asked."""
        self._end(session, session.actor, "ended by who looked", request_id)

    def end_all(self, login: Token, request_id: str = "") -> None:
        """End all that are bound to a login."""
        for session in self._store.supports_open():
            if session.login == login.id:
                self.end(session, request_id)

    def settle(self) -> None:
        """Tell the end of those whose time is over, or whose login is."""
        for session in self._store.supports_over(self._clock.now()):
            self._end(session, session.actor, OVER)

    def about(self, person: Person) -> list[SupportSession]:
        """Who looks as `person` now."""
        self.settle()
        return [one for one in self._store.supports_open() if one.username == person.username]

    def _check(self, actor: Person, whom: Person) -> None:
        """Raises Refused."""
        refuse_look(actor, self._administration.powers(actor), whom, self._administration.powers(whom))

    def _end(self, session: SupportSession, who: str, why: str, request_id: str = "") -> None:
        with self._store.transaction():
            if self._store.end_support(session.id, self._clock.now()):
                self._record(session, "support.end", who, why, request_id)
                log.info("support ended", user=session.actor, looks_as=session.username, why=why)

    def _record(self, session: SupportSession, act: str, who: str, detail: str, request_id: str) -> None:
        line = Entry(
            at=self._clock.now(),
            who=who,
            act=act,
            on=THE_SITE,
            whom=user(session.username),
            detail=detail,
            request_id=request_id,
        )
        self._store.record([line])


def _checked(reason: str) -> str:
    """Raises Invalid."""
    try:
        return _REASON.validate_python(reason)
    except ValidationError as error:
        words = "say why, in up to 500 printable characters; the person reads it"
        raise Invalid({"reason": words}) from error
