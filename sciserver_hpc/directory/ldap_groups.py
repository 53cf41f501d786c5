"""Groups of the portal in a branch of an LDAP directory, as POSIX groups (RFC 2307)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ..domain.errors import Conflict, Unavailable
from ..domain.unix_groups import Ensured, UnixEntry
from .ldap_session import ADD, DELETE, SYSTEM, Entry, Server, Session, escaped, is_below, parts

MARK = "Kept by SciServer HPC"
"""The description of every entry made here; one without it is somebody else's and stays as it is."""

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_ATTRIBUTES = ("cn", "gidNumber", "memberUid", "description", "objectClass")


class LdapGroups:
    """`ports.GroupDirectory` over LDAP.

    branch: where they stand, `cn=<name>` directly beneath; bases: where people and other groups are, which
    share its numbers. Writes as `bind_dn`. Raises ValueError for a branch that holds one of the bases.
    """

    def __init__(
        self, server: Server, branch: str, bases: Collection[str], *, bind_dn: str, bind_password: str
    ) -> None:
        if not (bind_dn and bind_password):
            raise ValueError("bind_dn needs a password: a bind without one counts as anonymous")
        for base in bases:
            if parts(base) == parts(branch) or is_below(base, branch):
                raise ValueError(f"{base} is in {branch}, which has to be a branch of its own")
        self._server = server
        self._branch = branch
        self._bases = tuple(bases)
        self._bind = bind_dn, bind_password

    def ensure(self, name: str, gid: int, members: Collection[str]) -> Ensured:
        """See `ports.GroupDirectory`."""
        wanted = frozenset(members)
        with self._writing() as session:
            found = self._own(session, name)
            others = [one for one in self._holders(session, gid) if not self._is(one, name)]
            if others:
                raise Conflict(f"Number {gid} is {others[0]}'s in the directory.")
            if found is None:
                self._make(session, name, gid, wanted)
                return Ensured(made=True, added=wanted)
            if found.attributes.get("gidNumber") != [str(gid)]:
                raise Conflict(f"{found.dn} has another number than {gid}; an administrator corrects it.")
            return self._put_right(session, found, wanted)

    def remove(self, name: str) -> bool:
        """See `ports.GroupDirectory`."""
        with self._writing() as session:
            found = self._own(session, name)
            if found is not None:
                session.delete(found.dn)
            return found is not None

    def holder(self, gid: int) -> str:
        """See `ports.GroupDirectory`."""
        with self._writing() as session:
            return next(iter(self._holders(session, gid)), "")

    def groups(self) -> list[UnixEntry]:
        """See `ports.GroupDirectory`."""
        with self._writing() as session:
            found = session.search(self._branch, "(cn=*)", _ATTRIBUTES)
            return sorted(map(_unix_entry, found), key=lambda one: one.name)

    def intruders(self, prefix: str) -> list[str]:
        """See `ports.GroupDirectory`."""
        query = f"(&(cn={escaped(prefix)}*)(|(objectClass=posixGroup)(objectClass=groupOfNames)))"
        with self._writing() as session:
            found = [one for base in self._bases for one in session.search(base, query, ("cn",))]
            return sorted({one.first("cn") for one in found if not is_below(one.dn, self._branch)})

    def ping(self) -> str:
        """See `ports.GroupDirectory`."""
        name = f"check-{secrets.token_hex(8)}"
        with self._writing() as session:
            session.add(self._dn(name), {"objectClass": ["organizationalRole"], "cn": [name]})
            session.delete(self._dn(name))
        return f"{self._branch} can be written"

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self._server.session(*self._bind, writes=True) as session:
            if session is None:
                words = "it refuses the writer of groups; check unix_groups.bind_dn and its password"
                raise Unavailable(SYSTEM, words)
            yield session

    def _make(self, session: Session, name: str, gid: int, members: frozenset[str]) -> None:
        for base in self._bases:
            taken = [one.dn for one in session.search(base, f"(cn={escaped(name)})", ("cn",), limit=2)]
            if taken:
                raise Conflict(f"The name {name} is {taken[0]}'s in the directory.")
        entry = {
            "objectClass": ["posixGroup"],
            "cn": [name],
            "gidNumber": [str(gid)],
            "description": [MARK],
        }
        session.add(self._dn(name), entry | ({"memberUid": sorted(members)} if members else {}))

    @staticmethod
    def _put_right(session: Session, found: Entry, wanted: frozenset[str]) -> Ensured:
        """Two requests: who goes is gone even if nobody can be added."""
        there = frozenset(found.attributes.get("memberUid", ()))
        removed, added = there - wanted, wanted - there
        if removed:
            session.change(found.dn, DELETE, "memberUid", sorted(removed))
        if added:
            session.change(found.dn, ADD, "memberUid", sorted(added))
        return Ensured(added=added, removed=removed)

    def _own(self, session: Session, name: str) -> Entry | None:
        """The entry of that name. Raises Conflict when it was not made here."""
        found = session.search(self._branch, f"(cn={escaped(name)})", _ATTRIBUTES)
        for one in found:
            if not (_unix_entry(one).ours and self._is(one.dn, name)):
                raise Conflict(f"{one.dn} was not made by the portal; an administrator moves it away.")
        return next(iter(found), None)

    def _holders(self, session: Session, gid: int) -> list[str]:
        """Entries with this number: people whose own group it is, and groups."""
        query, places = f"(gidNumber={gid:d})", {*self._bases, self._branch}
        found = {one.dn for base in places for one in session.search(base, query, ("cn",), limit=3)}
        return sorted(found)

    def _dn(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a Unix group")
        return f"cn={name},{self._branch}"

    def _is(self, dn: str, name: str) -> bool:
        return parts(dn) == parts(self._dn(name))


def _unix_entry(entry: Entry) -> UnixEntry:
    number = entry.first("gidNumber")
    classes = {value.casefold() for value in entry.attributes.get("objectClass", ())}
    return UnixEntry(
        name=entry.first("cn"),
        gid=int(number) if number.isascii() and number.isdigit() else None,
        members=frozenset(entry.attributes.get("memberUid", ())),
        ours=MARK in entry.attributes.get("description", ()) and "posixgroup" in classes,
    )
