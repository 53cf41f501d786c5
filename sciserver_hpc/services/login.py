"""Who is asking: passwords, login sessions and personal tokens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog
from pydantic import TypeAdapter, ValidationError

from ..domain.access import asking
from ..domain.errors import BadCredentials, Invalid, NotFound
from ..domain.names import Username
from ..domain.people import Person
from ..domain.tokens import Scope, Token, TokenKind, token_problems
from ..ports import Clock, Store
from .digest import PREFIX, digest, new_secret
from .homes import Homes
from .lockout import Lockout
from .people import People
from .watched_directory import WatchedDirectory

log = structlog.get_logger(__name__)

LOGIN_LIFETIME = timedelta(hours=24)
LONGEST_LIFETIME = timedelta(days=365)
_USERNAME: TypeAdapter[str] = TypeAdapter(Username)


class Login:
    """Logs people in and tells whose a token is."""

    def __init__(self, store: Store, directory: WatchedDirectory, clock: Clock, homes: Homes) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._homes = homes
        self._lockout = Lockout(store)
        self._people = People(store, directory, clock)

    def password(self, username: str, password: str, address: str) -> tuple[Person, str, Token]:
        """Log in; return the person, the new token's secret and its row.

        Raises BadCredentials, LockedOut (see lockout), Unavailable.
        """
        now = self._clock.now()
        name = _known_form(username)
        self._lockout.check(name, address, now)
        try:
            person = self._authenticate(name, password)
        except BadCredentials:
            self._lockout.failed(name, address, now)
            log.info("login failed", user=name, address=address)
            raise
        self._lockout.succeeded(name, address)
        self._people.remember(person)
        self._homes.try_make(person)
        secret, token = self._issue(
            person.username, TokenKind.LOGIN, "login", frozenset(Scope), LOGIN_LIFETIME
        )
        log.info("logged in", user=name, address=address)
        return person, secret, token

    def personal_token(
        self, person: Person, name: str, scopes: Iterable[Scope], lifetime: timedelta
    ) -> tuple[str, Token]:
        """Make a token for a program; return its secret, which is shown once, and its row.

        Raises Invalid.
        """
        wanted = frozenset(scopes)
        problems = token_problems(name.strip(), wanted, lifetime, LONGEST_LIFETIME, tuple(Scope))
        if problems:
            raise Invalid(problems)
        return self._issue(person.username, TokenKind.PERSONAL, name.strip(), wanted, lifetime)

    def resolve(self, secret: str) -> tuple[Person, Token] | None:
        """The person and token of a bearer's secret; None when it is no live token of somebody who is still
        in the directory, or of a service account that is on and whose managers are not all gone from it."""
        if not secret.startswith(PREFIX) or len(secret) > 100:
            return None
        token = self._store.token(digest(secret), self._clock.now())
        person = self._bearer(token) if token else None
        return (person, token) if person and token else None

    def person(self, username: str) -> Person | None:
        """Whose a user name is by now; None for who never logged in here, or is gone from the directory."""
        return self._people.current(username) if self._store.person(username) else None

    def _bearer(self, token: Token) -> Person | None:
        """Who asks with this token. A service account is not asked about in the directory; who answers for it
        is, as often as their own tokens would."""
        if token.kind is not TokenKind.SERVICE:
            return self._people.current(token.username)
        account = self._store.service_account(asking(token.username).name)
        if account is None or account.disabled_at is not None:
            return None
        answering = self._store.answering(account)
        return account.program if any(map(self._people.current, answering)) else None

    def logout(self, token: Token) -> None:
        """End this token."""
        self._store.revoke_token(token.username, token.id)

    def tokens(self, person: Person) -> list[Token]:
        """The person's live tokens, newest first."""
        return self._store.tokens(person.username, self._clock.now())

    def revoke(self, person: Person, token_id: int) -> None:
        """End one of the person's tokens. Raises NotFound."""
        if not self._store.revoke_token(person.username, token_id):
            raise NotFound(f"You have no token {token_id}.")

    def _authenticate(self, name: str, password: str) -> Person:
        """Names of no possible form and empty passwords are not asked about: LDAP takes an empty password for
        an anonymous bind, which succeeds (RFC 4513 section 5.1.2)."""
        if not name or not password:
            raise BadCredentials("User name or password is wrong.")
        return self._directory.authenticate(name, password)

    def _issue(
        self, username: str, kind: TokenKind, name: str, scopes: frozenset[Scope], lifetime: timedelta
    ) -> tuple[str, Token]:
        secret, now = new_secret(), self._clock.now()
        return secret, self._store.add_token(
            username, kind, name, scopes, digest(secret), now, now + lifetime
        )


def _known_form(username: str) -> str:
    """`username` where it has the form of one, else ""."""
    try:
        return _USERNAME.validate_python(username)
    except ValidationError:
        return ""
