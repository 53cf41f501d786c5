"""Whom the grants on a user volume name on its filesystem: people by uid, groups of the directory by gid."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..domain.access import Action, Grant, Resource, ResourceKind, Subject, SubjectKind
from ..domain.acl import Entry, Named, Tag
from ..domain.errors import NotFound, Unavailable
from ..domain.people import Person
from ..domain.projection import project
from ..domain.sharing import NO_EVERYONE
from ..domain.unix_groups import OnFiles
from ..ports import Clock, Directory, Store
from .watched_directory import RETRY

FRESH = timedelta(minutes=15)
"""How long a gid that the directory told is not asked for again."""

_ALL = 1_000_000


@dataclass(frozen=True)
class Numbered:
    """A Unix group. people: who is in a group of the portal; None: the directory says."""

    name: str
    gid: int
    people: frozenset[str] | None = None

    def holds(self, person: Person) -> bool:
        """Is the person in it?"""
        if self.people is not None:
            return person.username in self.people
        return self.name in person.groups or person.gid == self.gid


@dataclass(frozen=True)
class Meaning:
    """Whom a subject names. unknown: why nobody, "" where there is somebody or nobody to be named."""

    people: tuple[Person, ...] = ()
    groups: tuple[Numbered, ...] = ()
    unknown: str = ""

    @property
    def named(self) -> frozenset[Named]:
        """As an ACL names them."""
        users = (Named(tag=Tag.USER, id=person.uid) for person in self.people)
        return frozenset((*users, *(Named(tag=Tag.GROUP, id=one.gid) for one in self.groups)))


@dataclass(frozen=True)
class Wanted:
    """What grants want of a volume. changes_at: when the next of them expires."""

    entries: tuple[Entry, ...]
    changes_at: datetime | None


class Entitled:
    """Looks it up. `everyone`: the Unix group that stands for everyone who can log in; "" where none does.
    unix: the site keeps Unix groups for groups of the portal."""

    def __init__(
        self, store: Store, directory: Directory, clock: Clock, everyone: str = "", *, unix: bool = False
    ) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._everyone = everyone
        self._unix = unix
        self._gids: dict[str, tuple[datetime, int | None]] = {}
        self._silent: tuple[datetime, Unavailable] | None = None

    def wanted(self, owner: Person, ref: str, now: datetime) -> Wanted:
        """What the volume `ref` of `owner` is to give at `now`.

        Raises Unavailable: the directory is away, and what it would say is not known from before.
        """
        grants = [grant for grant in self._grants(ref) if grant.action in (Action.READ, Action.WRITE)]
        live = [grant for grant in grants if grant.lives(now)]
        granted: dict[Named, bool] = {}
        people: dict[str, Person] = {}
        groups: dict[int, Numbered] = {}
        asked = _by_subject(live)
        meaning_of = self.meanings(asked)
        for subject, write in asked.items():
            meaning = meaning_of(subject)
            granted |= {named: granted.get(named, False) or write for named in meaning.named}
            people |= {person.username: person for person in meaning.people}
            groups |= {one.gid: one for one in meaning.groups}
        members = {gid: [p.uid for p in people.values() if one.holds(p)] for gid, one in groups.items()}
        ends = [grant.expires for grant in live if grant.expires is not None]
        return Wanted(project(owner.uid, granted, members).entries, min(ends, default=None))

    def meanings(self, subjects: Iterable[Subject]) -> Callable[[Subject], Meaning]:
        """`meaning` for these, the people among them looked up together."""
        names = {subject.name for subject in subjects if subject.kind is SubjectKind.USER}
        known = {person.username: person for person in self._store.people_named(names)}

        def meaning(subject: Subject) -> Meaning:
            if subject.kind is SubjectKind.USER and subject.name in names:
                return _of_person(subject.name, known.get(subject.name))
            return self.meaning(subject)

        return meaning

    def meaning(self, subject: Subject) -> Meaning:
        """Whom `subject` names. Raises Unavailable, as `wanted`."""
        if subject.kind is SubjectKind.USER:
            return _of_person(subject.name, next(iter(self._store.people_named([subject.name])), None))
        if subject.kind is SubjectKind.SERVICE:
            return Meaning()  # it has no Unix user: what it was granted counts in the portal alone
        if subject.kind is SubjectKind.PORTAL_GROUP:
            return self._portal_group(subject.name)
        if subject.kind is SubjectKind.EVERYONE and not self._everyone:
            return Meaning(unknown=f"{NO_EVERYONE}.")
        name = subject.name if subject.kind is SubjectKind.GROUP else self._everyone
        known = self._with_gids([name])
        unknown = "" if known else f"the directory tells no number (gid) for a Unix group {name}."
        return Meaning(groups=known, unknown=unknown)

    def _portal_group(self, name: str) -> Meaning:
        """Its members, or the Unix group it is, or both; the directory's groups in it as their own."""
        inside = self._store.inside(name)
        names = frozenset(member.name for member in inside if member.kind is SubjectKind.USER)
        groups = self._with_gids(member.name for member in inside if member.kind is SubjectKind.GROUP)
        row = self._store.unix_group(name) if self._unix else None
        if row is not None and row.gid is not None and row.on_files is not OnFiles.MEMBERS:
            groups += (Numbered(row.name, row.gid, names),)
        alone = row is not None and row.on_files is OnFiles.GROUP
        return Meaning(() if alone else tuple(self._store.people_named(names)), groups)

    def _grants(self, ref: str) -> list[Grant]:
        on = Resource(kind=ResourceKind.USER_VOLUME, name=ref)
        return [share.grant for share in self._store.shares_on(on, 0, _ALL)]

    def _with_gids(self, names: Iterable[str]) -> tuple[Numbered, ...]:
        found = ((name, self._gid(name)) for name in names)
        return tuple(Numbered(name, gid) for name, gid in found if gid is not None)

    def _gid(self, name: str) -> int | None:
        """What the directory says; while it is away, what it said last. Raises Unavailable without that.

        A page asks about many groups: who let one wait is left alone for a while, not waited for by each.
        """
        now = self._clock.now()
        asked_at, gid = self._gids.get(name, (None, None))
        if asked_at is not None and asked_at <= now < asked_at + FRESH:
            return gid
        before = self._store.group_gid(name)
        try:
            gid = self._ask(name, now)
        except Unavailable:
            if before is None:
                raise
            return before
        if gid != before:
            self._store.note_group_gid(name, gid)
        self._gids[name] = now, gid
        return gid

    def _ask(self, name: str, now: datetime) -> int | None:
        if self._silent is not None and self._silent[0] <= now < self._silent[0] + RETRY:
            raise Unavailable(self._silent[1].system, self._silent[1].detail)
        try:
            return self._directory.gid(name)
        except NotFound:
            return None
        except Unavailable as error:
            self._silent = now, error
            raise


def _of_person(name: str, person: Person | None) -> Meaning:
    if person is None:
        return Meaning(unknown=f"{name} never logged in here; it follows when they do.")
    return Meaning((person,))


def _by_subject(grants: Iterable[Grant]) -> dict[Subject, bool]:
    """Who may at least read; True: write too."""
    found: dict[Subject, bool] = {}
    for grant in grants:
        found[grant.subject] = found.get(grant.subject, False) or grant.action is Action.WRITE
    return found
