"""Whom one may name: people and groups known here, and nobody else's secrets."""

from __future__ import annotations

from ..domain.access import Subject, SubjectKind, own_subjects
from ..domain.administration import Power
from ..domain.errors import Invalid, NotFound, Unavailable
from ..domain.groups import Group, Membership, Role, Standing, Status, portal_group, user
from ..domain.membership import may_see
from ..domain.names import SERVICE_PREFIX, printable
from ..domain.people import Person
from ..domain.service_accounts import ServiceAccount, owns
from ..ports import Clock, Directory, Store
from .administration import Administration

_SHORTEST = 2
_MOST = 10


class Known:
    """Looks people and groups up for an asker."""

    def __init__(self, store: Store, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._administration = Administration(store, clock)

    def check(self, person: Person, subject: Subject, field: str) -> None:
        """Raise Invalid unless `subject` can be invited or given something by `person`."""
        if subject.kind is SubjectKind.EVERYONE or self._knows(person, subject):
            return
        there = "who logged in here at least once" if subject.kind is SubjectKind.USER else "you may know of"
        raise Invalid({field: f"there is no {subject} {there}"})

    def person(self, username: str) -> Person | None:
        """Somebody who logged in here and is still in the directory, as far as it answers."""
        known = self._store.person(username)
        if known is None:
            return None
        try:
            return self._directory.person(username)
        except NotFound:
            return None
        except Unavailable:
            return known

    def search(self, prefix: str) -> list[Person]:
        """A few people whose names start so: the directory is not to be read through. Raises Invalid."""
        return self._store.people_like(_start(prefix), _MOST)

    def services_like(self, prefix: str) -> list[ServiceAccount]:
        """A few service accounts whose names start so, `svc:` before it or not. Raises Invalid."""
        return self._store.service_accounts_like(_start(prefix).removeprefix(SERVICE_PREFIX), _MOST)

    def groups_like(self, person: Person, prefix: str) -> list[Subject]:
        """A few groups whose names start so: public ones, those `person` is in, and one of the directory
        whose whole name was given. Stewards find all. Raises Invalid."""
        start, hidden = _start(prefix), self.steward(person)
        found = {group.subject for group in self._store.groups_like(start, _MOST, hidden=hidden)}
        mine = self._store.groups_reached(own_subjects(person))
        found |= {group.subject for group in mine if group.name.lower().startswith(start.lower())}
        if self._store.directory_group(start):
            found.add(Subject(kind=SubjectKind.GROUP, name=start))
        return sorted(found, key=lambda group: (group.name, group.kind))[:_MOST]

    def group(self, person: Person, name: str) -> tuple[Group, Membership | None]:
        """A group of the portal that `person` may know of, and their own membership. Raises NotFound."""
        group = self._store.group(name)
        own = self._store.membership(name, user(person.username)) if group else None
        if group is None or not self._sees(person, group, own):
            raise NotFound(f"There is no group {name} that you may know of.")
        return group, own

    def steward(self, person: Person) -> bool:
        """May the person see and repair any group?"""
        return self._administration.has(person, Power.MANAGE_GROUPS)

    def standing(self, person: Person, group: Group, own: Membership | None) -> Standing:
        """The person towards a group."""
        return Standing(person, group, own, self.steward(person))

    def sees(self, person: Person, subject: Subject) -> bool:
        """May `person` know of this group?"""
        if subject.kind is SubjectKind.PORTAL_GROUP:
            return self._knows(person, subject)
        inside = subject.kind is not SubjectKind.GROUP or subject.name in person.groups
        return inside or self.steward(person)

    def answers(self, person: Person, subject: Subject) -> bool:
        """May `person` answer for `subject`: is it them, a service account of theirs, or a group they
        administer?"""
        if subject.kind is SubjectKind.SERVICE and subject != user(person.username):
            account = self._store.service_account(subject.name)
            return account is not None and self.manages(person, account)
        if subject.kind is SubjectKind.PORTAL_GROUP:
            group = self._store.group(subject.name)
            own = self._store.membership(subject.name, user(person.username))
            return group is not None and self.standing(person, group, own).has(Role.ADMIN)
        return subject == user(person.username)

    def manages(self, person: Person, account: ServiceAccount) -> bool:
        """Is the service account theirs, or one of a group they administer?"""
        owner = account.owner
        of_group = owner.kind is SubjectKind.PORTAL_GROUP
        own = self._store.membership(owner.name, user(person.username)) if of_group else None
        return owns(person, owner, own)

    def _knows(self, person: Person, subject: Subject) -> bool:
        if subject.kind is SubjectKind.USER:
            return self.person(subject.name) is not None
        if subject.kind is SubjectKind.SERVICE:
            return self._store.service_account(subject.name) is not None
        if subject.kind is SubjectKind.GROUP:
            return self._store.directory_group(subject.name)
        try:
            self.group(person, subject.name)
        except NotFound:
            return False
        return True

    def _sees(self, person: Person, group: Group, own: Membership | None) -> bool:
        standing = Standing(person, group, own)
        asked = own is not None and own.status is Status.INVITED
        if may_see(standing, reached=own is not None and own.counts, asked=asked):
            return True
        if group.subject in self._store.reach(own_subjects(person)):
            return True
        mine = [portal_group(n) for n in self._store.administered(person.username)]
        programs = [one.subject for one in self._store.service_accounts_of([user(person.username), *mine])]
        if programs and group.subject in self._store.reach(programs):
            return True
        invited = self._store.memberships_of([*mine, *programs], [Status.INVITED])
        return any(invitation.group == group.name for invitation in invited) or self.steward(person)


def _start(prefix: str) -> str:
    """The start of a name, long enough to be looked for. Raises Invalid."""
    wanted = prefix.strip()
    if len(wanted) < _SHORTEST:
        raise Invalid({"prefix": f"give the first {_SHORTEST} letters at least"})
    try:
        return printable(wanted)
    except ValueError as error:
        raise Invalid({"prefix": str(error)}) from error
