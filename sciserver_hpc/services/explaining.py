"""Why somebody may, or may not: asked about oneself, and about others for what one may share."""

from __future__ import annotations

from ..domain.access import (
    ACTIONS,
    Action,
    Resource,
    ResourceKind,
    Subject,
    SubjectKind,
    own_subjects,
    owner_of,
)
from ..domain.administration import Power
from ..domain.errors import NotFound
from ..domain.groups import Role, user
from ..domain.people import Person
from ..domain.why import Explanation, Question, explain
from ..ports import Clock, Directory, Store
from .administration import Administration
from .known import Known
from .site import Site
from .things import Things


class Explaining:
    """The use case."""

    def __init__(self, store: Store, directory: Directory, clock: Clock, site: Site) -> None:
        self._store = store
        self._known = Known(store, directory, clock)
        self._things = Things(store, clock, site, self._known)
        self._administration = Administration(store, clock)

    def explain(self, person: Person, username: str, action: Action, resource: Resource) -> Explanation:
        """Why `username` may (not) do it: about oneself, or about others on what one may share.

        Raises NotFound.
        """
        about = person if username == person.username else self._other(person, username, resource)
        if resource.kind is ResourceKind.GROUP:
            return self._explain_group(about, action, resource, person)
        if resource.kind is ResourceKind.SERVICE:
            return self._explain_service(about, action, resource, person)
        thing = self._things.find(resource)
        giver = self._things.giver(about, resource, thing)
        shown = thing is not None and self._things.visible(person, thing)
        question = Question(
            user=username,
            action=action,
            resource=resource,
            asker=person.username,
            owner=(thing.owner if thing and shown else owner_of(resource)) or None,
            edges=self._store.edges(own_subjects(about)) + _directory_edges(about),
            visible=lambda group: about == person or self._known.sees(person, group),
        )
        return explain(question, self._things.decide(giver, action))

    def _other(self, person: Person, username: str, resource: Resource) -> Person:
        """Somebody else, where `person` may ask about them. Raises NotFound."""
        words = "You may ask that about yourself, and about others only for what you may share."
        thing = self._things.find(resource)
        if resource.kind is ResourceKind.GROUP:
            group, own = self._known.group(person, resource.name)
            may = self._known.standing(person, group, own).has(Role.ADMIN)
        else:
            giver = self._things.giver(person, resource, thing)
            may = thing is not None and bool(self._things.decide(giver, Action.GRANT))
        if not (may or self._administration.has(person, Power.READ_AUDIT)):
            raise NotFound(words)
        about = self._store.person(username)
        if about is None:
            raise NotFound(f"Nobody called {username} logged in here so far.")
        return about

    def _explain_group(
        self, about: Person, action: Action, resource: Resource, person: Person
    ) -> Explanation:
        group, _ = self._known.group(person, resource.name)
        own = self._store.membership(group.name, user(about.username))
        standing = self._known.standing(about, group, own)
        if action not in ACTIONS[ResourceKind.GROUP]:
            return Explanation(allowed=False, sentence=f"There is no {action} for a group.")
        reached = group.subject in self._store.reach(own_subjects(about))
        allowed = standing.has(Role.ADMIN) if action is Action.MANAGE else reached or standing.steward
        role = own.role if own is not None and own.counts else None
        be = "You are" if about == person else f"{about.username} is"
        what = f"{role} of" if role else "in" if reached else "not in"
        also = ", and an administrator of this site" if standing.steward else ""
        need = (
            "" if allowed else " Ask its owner." if action is Action.READ else " That takes an admin's role."
        )
        return Explanation(allowed=allowed, sentence=f"{be} {what} group {group.name}{also}.{need}")

    def _explain_service(
        self, about: Person, action: Action, resource: Resource, person: Person
    ) -> Explanation:
        self._things.known(person, resource)
        account = self._store.service_account(resource.name)
        be = "You manage" if about == person else f"{about.username} manages"
        if account is not None and action is Action.MANAGE and self._known.manages(about, account):
            return Explanation(allowed=True, sentence=f"{be} {resource}: it belongs to {account.owner}.")
        owner = f"{account.owner}, whose it is," if account is not None else "its owner"
        return Explanation(allowed=False, sentence=f"Nobody but {owner} manages {resource}.")


def _directory_edges(person: Person) -> list[tuple[Subject, Subject]]:
    me = user(person.username)
    return [(me, group) for group in own_subjects(person) if group.kind is SubjectKind.GROUP]
