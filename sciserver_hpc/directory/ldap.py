"""People and groups of an LDAP directory (RFC 4511), as POSIX accounts (RFC 2307)."""

from __future__ import annotations

import re

import structlog
from pydantic import ValidationError

from ..domain.errors import BadCredentials, NotFound, Unavailable
from ..domain.people import Person
from .ldap_session import SYSTEM, Entry, Server, Session, escaped, is_below
from .usernames import WRONG, is_username, unknown

_GID = re.compile("[0-9]{1,10}")
_NO_GID = 0xFFFF_FFFF
_ATTRIBUTES = ("uid", "uidNumber", "gidNumber", "cn", "mail")

_log = structlog.get_logger(__name__)


class LdapDirectory:
    """`ports.Directory` over LDAP.

    Entries of people stand anywhere under `user_base`, those of groups under `group_base`, naming their
    members by `memberUid` or `member`. Searches as `bind_dn`, or anonymously. apart: branch and prefix of
    the groups that the portal keeps there itself: these are no groups of the directory, or a membership that
    ended here would go on as one of theirs. Each call opens its own connection: logins are rare, and an idle
    connection is one more thing that breaks.
    """

    def __init__(
        self,
        server: Server,
        user_base: str,
        group_base: str,
        *,
        bind_dn: str = "",
        bind_password: str = "",
        admin_group: str = "admins",
        apart: tuple[str, str] | None = None,
    ) -> None:
        if bind_dn and not bind_password:
            raise ValueError("bind_dn needs a password: a bind without one counts as anonymous")
        self._server = server
        self._user_base = user_base
        self._group_base = group_base
        self._bind_dn = bind_dn
        self._bind_password = bind_password
        self._admin_group = admin_group
        self._apart = apart

    def authenticate(self, username: str, password: str) -> Person:
        """See `ports.Directory`."""
        # A bind with an empty password succeeds as "unauthenticated" (RFC 4513, 5.1.2): never send one.
        if not is_username(username) or not _can_be_sent(password):
            raise BadCredentials(WRONG)
        dn, person = self._look_up(username)
        # Nobody's password is tried too, so that a missing user takes as long as a wrong password.
        with self._server.session(dn or f"uid={username},{self._user_base}", password) as session:
            bound = session is not None
        if person is None or not bound:
            raise BadCredentials(WRONG)
        return person

    def person(self, username: str) -> Person:
        """See `ports.Directory`."""
        person = self._look_up(username)[1] if is_username(username) else None
        if person is None:
            raise NotFound(unknown(username))
        return person

    def has_group(self, name: str) -> bool:
        """See `ports.Directory`. The server compares names without regard to case (RFC 4519, 2.3)."""
        with self._server.session(self._bind_dn, self._bind_password) as session:
            found = _allowed(session).search(self._group_base, f"(cn={escaped(name)})", ("cn",), limit=2)
            return any(map(self._is_theirs, found))

    def gid(self, group: str) -> int:
        """See `ports.Directory`."""
        query = f"(&(objectClass=posixGroup)(cn={escaped(group)}))"
        with self._server.session(self._bind_dn, self._bind_password) as session:
            entries = _allowed(session).search(self._group_base, query, ("cn", "gidNumber"), limit=3)
            found = list(filter(self._is_theirs, entries))
        numbers = [entry.first("gidNumber") for entry in found if group in entry.attributes.get("cn", ())]
        if len(numbers) != 1 or not _GID.fullmatch(numbers[0]) or not 0 < int(numbers[0]) < _NO_GID:
            raise NotFound(f"The directory tells no gid for a group {group}.")
        return int(numbers[0])

    def ping(self) -> str:
        """See `ports.Directory`.

        Says so when the two bases cannot be searched.
        """
        with self._server.session(self._bind_dn, self._bind_password) as session:
            _allowed(session)
            for base in (self._user_base, self._group_base):
                _allowed(session).search(base, "(objectClass=*)", ("cn",), limit=1)
        return f"{self._server.url}, {self._user_base} found"

    def _look_up(self, username: str) -> tuple[str, Person | None]:
        """The entry's name and the person; the same two searches whether there is one or not."""
        with self._server.session(self._bind_dn, self._bind_password) as session:
            entry = self._entry(_allowed(session), username)
            dn = entry.dn if entry else ""
            groups = self._groups(_allowed(session), username, dn)
        return dn, None if entry is None else self._person(username, entry, groups)

    def _entry(self, session: Session, username: str) -> Entry | None:
        query = f"(&(objectClass=posixAccount)(uid={escaped(username)}))"
        found = session.search(self._user_base, query, _ATTRIBUTES, limit=2)
        if len(found) > 1:
            _log.warning("ldap_user_is_ambiguous", username=username, entries=[entry.dn for entry in found])
            return None
        # The server matches without regard to case; Unix does not.
        return next((entry for entry in found if username in entry.attributes.get("uid", ())), None)

    def _groups(self, session: Session, username: str, dn: str) -> frozenset[str]:
        query = f"(|(memberUid={escaped(username)})(member={escaped(dn or username)}))"
        return frozenset(
            entry.first("cn")
            for entry in session.search(self._group_base, query, ("cn",))
            if entry.first("cn") and self._is_theirs(entry)
        )

    def _is_theirs(self, group: Entry) -> bool:
        """Is it the directory's own, not one of the portal's?"""
        if self._apart is None:
            return True
        branch, prefix = self._apart
        named = any(name.casefold().startswith(prefix) for name in group.attributes.get("cn", ()))
        return not (named or is_below(group.dn, branch))

    def _person(self, username: str, entry: Entry, groups: frozenset[str]) -> Person | None:
        try:
            return Person(
                username=username,
                uid=int(entry.first("uidNumber")),
                gid=int(entry.first("gidNumber")),
                full_name=entry.first("cn"),
                email=entry.first("mail"),
                groups=groups,
                admin=self._admin_group in groups,
            )
        except (ValueError, ValidationError):
            _log.warning("ldap_user_is_no_posix_account", username=username, entry=entry.dn)
            return None


def _allowed(session: Session | None) -> Session:
    if session is None:
        raise Unavailable(SYSTEM, "it refuses the portal's own bind; check bind_dn and its password")
    return session


def _can_be_sent(password: str) -> bool:
    try:
        return bool(password.encode("utf-8"))
    except UnicodeEncodeError:
        return False
