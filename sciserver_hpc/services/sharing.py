"""Rights: given, taken, listed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from ..domain.access import (
    ACTIONS,
    GIVEN_BY,
    SITE,
    THE_SITE,
    Action,
    Grant,
    Resource,
    ResourceKind,
    Subject,
    SubjectKind,
    own_subjects,
)
from ..domain.administration import Power
from ..domain.audit import Asker
from ..domain.errors import NotFound, Refused
from ..domain.groups import user
from ..domain.model import Model
from ..domain.people import Person
from ..domain.sharing import NO_EVERYONE, NOT_YOURS, Share, give, storable, take
from ..domain.volumes import UserVolume
from ..ports import Clock, Directory, Store, Waker
from .administration import Administration
from .known import Known
from .site import Site
from .things import Things
from .trail import Act, Trail

LONGEST_PAGE = 500
LONGEST_LIST = 10_000


class Usable(Model):
    """A thing, and what a person may do with it."""

    resource: Resource
    actions: tuple[Action, ...]


class Sharing:
    """The use cases around grants. A thing the asker may not know of is always NotFound.

    waker: the broker brings grants on user volumes to the filesystem; everyone: see `Entitled`.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        clock: Clock,
        site: Site,
        waker: Waker,
        everyone: str = "",
    ) -> None:
        self._store = store
        self._waker = waker
        self._everyone = everyone
        self._clock = clock
        self._site = site
        self._known = Known(store, directory, clock)
        self._things = Things(store, clock, site, self._known)
        self._trail = Trail(store, clock)
        self._administration = Administration(store, clock)

    # giving and taking ----------------------------------------------------------------------------
    def give(
        self,
        asker: Asker,
        resource: Resource,
        subject: Subject,
        actions: Iterable[Action],
        expires: datetime | None = None,
        *,
        dry_run: bool = False,
    ) -> list[Share]:
        """Grant actions; again with another end changes the end. A dry run changes and records nothing.

        Raises NotFound, Invalid, Refused (each action that is not the asker's to give).
        """
        wanted, now = sorted(set(actions)), self._clock.now()
        thing = self._things.known(asker.person, resource)
        self._known.check(asker.person, subject, "subject")
        if dry_run:
            made = self._made(asker.person, resource, subject, wanted, expires)
            return [Share(id=0, grant=grant, created_at=now) for grant in made]
        detail = " ".join(wanted) + (f" until {expires.isoformat()}" if expires else "")
        shares: list[Share] = []
        with self._trail.acting(asker, Act("grant", resource, subject, detail, thing.owner)):
            made = self._made(asker.person, resource, subject, wanted, expires)
            if subject.kind is SubjectKind.PORTAL_GROUP:
                # It may have ended meanwhile. People are not asked for again: the directory may hang, and
                # everybody's changes wait for this block.
                self._known.check(asker.person, subject, "subject")
            shares = self._store.add_grants(made, now)
        self._nudge(resource)
        return shares

    def revoke(
        self,
        asker: Asker,
        resource: Resource,
        subject: Subject,
        actions: Iterable[Action] | None = None,
        *,
        dry_run: bool = False,
    ) -> list[Share]:
        """Take back what `subject` was granted, all of it when no actions are named; return what went.

        Who may not see all grants on the thing takes back their own, and is told the same whether there are
        others or none. Raises NotFound, Refused: then nothing is taken.
        """
        wanted = frozenset(ACTIONS[resource.kind] if actions is None else actions)
        if not self._known.answers(asker.person, subject):
            self._things.known(asker.person, resource)
        found: list[Share] = []
        with self._trail.acting(asker, Act("revoke", resource, subject, " ".join(sorted(wanted)))) as act:
            act.told = not dry_run
            answers = self._known.answers(asker.person, subject)  # they may be no admin of it any more
            giver = self._things.giver(asker.person, resource)
            act.owner = giver.owner or ""
            found = [s for s in self._store.shares_between(resource, subject) if s.grant.action in wanted]
            if not (answers or self._things.decide(giver, Action.GRANT)):
                found = [share for share in found if share.grant.granted_by == asker.person.username]
                if not found:
                    raise Refused({str(resource): NOT_YOURS})
            for share in found:
                take(giver, share.grant, self._clock.now(), answers=answers)
            if found and not dry_run:
                self._store.drop_grants([share.id for share in found])
            act.told = bool(found) and not dry_run
        if act.told:
            self._nudge(resource)
        return found

    def revoke_one(self, asker: Asker, share_id: int) -> None:
        """Take one grant back. Raises NotFound, Refused."""
        share = self._store.share(share_id)
        if share is None or not self._concerns(asker.person, share):
            raise NotFound(f"There is no grant {share_id} that you may know of.")
        grant = share.grant
        with self._trail.acting(asker, Act("revoke", grant.resource, grant.subject, grant.action)) as act:
            answers = self._known.answers(asker.person, grant.subject)
            giver = self._things.giver(asker.person, grant.resource)
            act.owner = giver.owner or ""
            take(giver, grant, self._clock.now(), answers=answers)
            act.told = self._store.drop_grants([share_id]) > 0
        self._nudge(grant.resource)

    def _made(
        self,
        person: Person,
        resource: Resource,
        subject: Subject,
        actions: Iterable[Action],
        expires: datetime | None,
    ) -> list[Grant]:
        """Raises Invalid, Refused."""
        made = give(self._things.giver(person, resource), subject, actions, expires, self._clock.now())
        if not (self._everyone or storable(resource, subject)):
            raise Refused({str(subject): NO_EVERYONE})
        return made

    def _nudge(self, resource: Resource) -> None:
        if resource.kind is ResourceKind.USER_VOLUME:
            self._waker.wake()

    # listing --------------------------------------------------------------------------------------
    def on(self, person: Person, resource: Resource, after: int = 0, limit: int = 100) -> list[Share]:
        """All grants on a thing, for those who may give them. Raises NotFound, Refused."""
        self.need(person, Action.GRANT, resource)
        return self._store.shares_on(resource, after, _page(limit))

    def between(self, person: Person, resource: Resource, subject: Subject) -> list[Share]:
        """The grants on a thing to one subject, for those who may give them. Raises NotFound, Refused."""
        self.need(person, Action.GRANT, resource)
        return self._store.shares_between(resource, subject)

    def seen(
        self, person: Person, resource: Resource, after: int = 0, limit: int = 100
    ) -> tuple[list[Share], bool]:
        """Grants on a thing: all (True) for those who may give them, else those that reach the person.

        Raises NotFound.
        """
        thing = self._things.known(person, resource)
        giver = self._things.giver(person, resource, thing)
        if self._things.decide(giver, Action.GRANT):
            return self._store.shares_on(resource, after, _page(limit)), True
        found = self._store.shares_on(resource, after, LONGEST_LIST)
        mine = (share for share in found if share.grant.subject in giver.acting.subjects)
        return list(islice(mine, _page(limit))), False

    def see(self, person: Person, resource: Resource) -> None:
        """Raise NotFound unless the person may know of the thing."""
        self._things.known(person, resource)

    def need(self, person: Person, action: Action, resource: Resource) -> None:
        """Raise NotFound or Refused unless the person may do `action` to a thing that is there."""
        thing = self._things.known(person, resource)
        decision = self._things.decide(self._things.giver(person, resource, thing), action)
        if not decision:
            raise Refused({str(resource): decision.reason})

    def by_me(self, person: Person, after: int = 0, limit: int = 100) -> list[Share]:
        """What the person granted."""
        return self._store.shares_by(person.username, after, _page(limit))

    def with_me(self, person: Person, after: int = 0, limit: int = 100) -> list[Share]:
        """What others granted the person or a group they are in, expired grants too."""
        return self._store.shares_with(own_subjects(person), after, _page(limit))

    def on_own_volumes(self, person: Person) -> list[tuple[UserVolume, list[Share]]]:
        """The person's user volumes, each with the grants on it."""
        volumes = self._store.user_volumes(person.username)
        things = [Resource(kind=ResourceKind.USER_VOLUME, name=volume.ref) for volume in volumes]
        found: dict[str, list[Share]] = {thing.name: [] for thing in things}
        for share in self._store.shares_on_each(things):
            found[share.grant.resource.name].append(share)
        return [(volume, found[volume.ref]) for volume in volumes]

    def to_group(self, person: Person, group: Subject) -> list[Grant]:
        """The live grants that reach whoever is in a group, for those who are. Raises Refused."""
        if group not in self._store.reach(own_subjects(person)) and not self._known.steward(person):
            raise Refused({str(group): "only its members see what it was granted"})
        now = self._clock.now()
        return [grant for grant in self._store.reaching([group])[1] if grant.lives(now)]

    def of_the_site(self, person: Person) -> list[Resource]:
        """What of the site's the person gives rights to, by their powers. Raises Refused."""
        powers, site = self._administration.powers(person), self._site.snapshot()
        kinds: dict[ResourceKind, Iterable[str]] = {
            ResourceKind.DOMAIN: site.domains,
            ResourceKind.IMAGE: site.images,
            ResourceKind.APP: site.apps,
            ResourceKind.DATA_VOLUME: site.data,
            ResourceKind.ROOT_VOLUME: site.roots,
        }
        mine = {kind: names for kind, names in kinds.items() if Power(GIVEN_BY[kind]) in powers}
        if person.admin:
            mine[ResourceKind.SITE] = (THE_SITE.name,)
        if not mine:
            raise Refused({SITE: "only its administrators share what is the site's"})
        return [Resource(kind=kind, name=name) for kind, names in mine.items() for name in names]

    def usable(self, person: Person) -> list[Usable]:
        """All that grants let the person do, thing by thing."""
        rights = self._site.load_rights(person)
        found: dict[Resource, set[Action]] = {}
        for grant in rights.grants:
            if grant.lives(rights.now):
                read = {Action.READ} if grant.action is Action.WRITE else set()
                found.setdefault(grant.resource, set()).update({grant.action} | read)
        return [
            Usable.model_construct(resource=resource, actions=tuple(sorted(found[resource])))
            for resource in sorted(found, key=lambda thing: (thing.kind, thing.name))
        ]

    # ------------------------------------------------------------------------------------------------
    def _concerns(self, person: Person, share: Share) -> bool:
        """Does the grant concern the person, so that they may know of it?"""
        grant: Grant = share.grant
        giver = self._things.giver(person, grant.resource)
        mine = grant.subject == user(person.username) or grant.granted_by == person.username
        return mine or giver.rules(self._clock.now()) or self._known.answers(person, grant.subject)


def _page(limit: int) -> int:
    return max(1, min(limit, LONGEST_PAGE + 1))
