"""The access decision: additive grants, deny by default, an answer that carries its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from .model import Model
from .names import SERVICE_PREFIX, printable
from .people import Person

SITE = "the site"
"""Who made the grants of the site's catalogue: no username has a space."""


class Action(StrEnum):
    """What may be done with a resource."""

    USE = "use"
    READ = "read"
    WRITE = "write"
    CREATE = "create"
    MANAGE = "manage"
    GRANT = "grant"
    MANAGE_DOMAINS = "manage_domains"
    MANAGE_IMAGES = "manage_images"
    MANAGE_VOLUMES = "manage_volumes"
    MANAGE_LIMITS = "manage_limits"
    MANAGE_GROUPS = "manage_groups"
    READ_AUDIT = "read_audit"
    SUPPORT = "support"


class ResourceKind(StrEnum):
    """Kinds of things that rights are about."""

    DOMAIN = "domain"
    IMAGE = "image"
    APP = "app"
    ROOT_VOLUME = "root_volume"
    USER_VOLUME = "user_volume"
    DATA_VOLUME = "data_volume"
    GROUP = "group"
    SERVICE = "service_account"
    JOB = "job"
    SESSION = "session"
    DATABASE = "database"
    SITE = "site"
    """The site itself: what may be done with it are the powers of its administrators. There is one."""


_GRANT = "Give others what one may do oneself."

ACTIONS: Mapping[ResourceKind, Mapping[Action, str]] = {
    ResourceKind.DOMAIN: {Action.USE: "Run jobs and sessions there.", Action.GRANT: _GRANT},
    ResourceKind.IMAGE: {Action.USE: "Run it.", Action.GRANT: _GRANT},
    ResourceKind.APP: {Action.USE: "Start sessions of it.", Action.GRANT: _GRANT},
    ResourceKind.ROOT_VOLUME: {Action.CREATE: "Make user volumes in it.", Action.GRANT: _GRANT},
    ResourceKind.USER_VOLUME: {
        Action.READ: "Mount it and read its files.",
        Action.WRITE: "Change its files; includes reading.",
        Action.GRANT: _GRANT,
    },
    ResourceKind.DATA_VOLUME: {
        Action.READ: "Mount it and read its files.",
        Action.WRITE: "Change its files; includes reading.",
        Action.GRANT: _GRANT,
    },
    ResourceKind.GROUP: {
        Action.READ: "See who is in it: its members.",
        Action.MANAGE: "Invite, remove and promote: its owner and admins.",
    },
    ResourceKind.SERVICE: {Action.MANAGE: "Make its tokens, describe, disable and delete it."},
    ResourceKind.JOB: {Action.READ: "Look at the job, its logs and results.", Action.GRANT: _GRANT},
    ResourceKind.SESSION: {
        Action.READ: "Open and watch it.",
        Action.WRITE: "Work in it; includes reading.",
        Action.GRANT: _GRANT,
    },
    ResourceKind.DATABASE: {
        Action.READ: "Query it.",
        Action.WRITE: "Change its tables; includes reading.",
        Action.GRANT: _GRANT,
    },
    ResourceKind.SITE: {
        Action.MANAGE_DOMAINS: "Change compute domains, and give rights to them.",
        Action.MANAGE_IMAGES: "Change images, and give rights to them and to apps.",
        Action.MANAGE_VOLUMES: "Change root and data volumes, and give rights to them.",
        Action.MANAGE_LIMITS: "Set what people may have at once.",
        Action.MANAGE_GROUPS: "See and repair any group of the portal.",
        Action.READ_AUDIT: "Read the whole audit trail, and ask why anybody may.",
        Action.SUPPORT: "Look at the portal as somebody else, for support: reading only.",
    },
}
"""What may be done with each kind of thing; an action that stands not here is never allowed."""

_BUNDLES = {
    "user": frozenset({Action.USE}),
    "creator": frozenset({Action.CREATE}),
    "reader": frozenset({Action.READ}),
    "writer": frozenset({Action.READ, Action.WRITE}),
    "manager": frozenset({Action.USE, Action.CREATE, Action.READ, Action.WRITE, Action.GRANT}),
}

GIVEN_BY: Mapping[ResourceKind, Action] = {
    ResourceKind.DOMAIN: Action.MANAGE_DOMAINS,
    ResourceKind.IMAGE: Action.MANAGE_IMAGES,
    ResourceKind.APP: Action.MANAGE_IMAGES,
    ResourceKind.ROOT_VOLUME: Action.MANAGE_VOLUMES,
    ResourceKind.DATA_VOLUME: Action.MANAGE_VOLUMES,
    ResourceKind.DATABASE: Action.MANAGE_VOLUMES,
}
"""The power by which one gives rights to things of a kind, without holding them. The powers themselves are
given by the directory's administrators alone."""

OF_THE_SITE = frozenset((*GIVEN_BY, ResourceKind.SITE))
"""Kinds nobody owns: administrators give rights to them, and ask for none to do so."""


def roles(kind: ResourceKind) -> dict[str, frozenset[Action]]:
    """Roles bundle actions: what `reader`, `writer`, `user`, `creator` and `manager` mean for a kind."""
    there = frozenset(ACTIONS[kind])
    bundles = {name: actions & there for name, actions in _BUNDLES.items()}
    whole = {name: actions for name, actions in bundles.items() if actions and actions >= _least(name)}
    return {} if kind is ResourceKind.GROUP else whole


def _least(role: str) -> frozenset[Action]:
    return frozenset({Action.GRANT}) if role == "manager" else _BUNDLES[role]


class Resource(Model):
    """A thing grants are about. name: its stable name, its address, or a job's id."""

    kind: ResourceKind
    name: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(printable)]

    @classmethod
    def parse(cls, text: str) -> Resource:
        """Read `kind:name`, as in `user_volume:Storage/alice/shared`. Raises ValueError with a sentence."""
        kind, _, name = text.partition(":")
        if kind not in set(ResourceKind) or not 1 <= len(name) <= 255:
            raise ValueError(f"write KIND:NAME, where KIND is one of: {', '.join(ResourceKind)}")
        return cls(kind=ResourceKind(kind), name=printable(name))

    def __str__(self) -> str:
        if self == THE_SITE:
            return SITE
        return f"{self.kind.replace('_', ' ')} {self.name}"


THE_SITE = Resource(kind=ResourceKind.SITE, name="site")


class SubjectKind(StrEnum):
    """Whom a grant may be for. A group of the directory and one of the portal are never the same."""

    USER = "user"
    GROUP = "group"
    """Of the directory: a Unix group."""

    PORTAL_GROUP = "portal_group"
    """Made here, by its owner."""

    SERVICE = "service_account"
    """A program that asks by tokens of its own; see `service_accounts`."""

    EVERYONE = "everyone"


class Subject(Model):
    """Who a grant is for: a user, a group, a service account, or everyone who can log in."""

    kind: SubjectKind
    name: Annotated[str, Field(max_length=255), AfterValidator(printable)] = ""

    @model_validator(mode="after")
    def _everyone_is_one(self) -> Subject:
        if self.kind is SubjectKind.EVERYONE and self.name:
            raise ValueError("everyone has no name; leave it out")
        return self

    def __str__(self) -> str:
        if self.kind is SubjectKind.EVERYONE:
            return "everyone"
        words = {
            SubjectKind.GROUP: "directory group",
            SubjectKind.PORTAL_GROUP: "group",
            SubjectKind.SERVICE: "service account",
        }
        return f"{words.get(self.kind, 'user')} {self.name}"


class Grant(Model):
    """`subject` may do `action` to `resource`, until `expires` where given."""

    subject: Subject
    action: Action
    resource: Resource
    granted_by: str = SITE
    expires: AwareDatetime | None = None

    def lives(self, now: AwareDatetime) -> bool:
        """Does it hold at `now`?"""
        return self.expires is None or self.expires > now


class Decision(Model):
    """May it be done, and why (not).

    `reason` is a sentence for the asker; `grant`: the one that decided, an expired one for a no.
    """

    allowed: bool
    reason: str
    grant: Grant | None = None

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True)
class Acting:
    """A person with every subject they act as: themselves, everyone, the groups they are in at any depth."""

    person: Person
    subjects: frozenset[Subject]


EVERYONE = Subject(kind=SubjectKind.EVERYONE)


def asking(username: str) -> Subject:
    """Who asks under this name: a person, or a service account (`svc:ci`)."""
    if username.startswith(SERVICE_PREFIX):
        return Subject(kind=SubjectKind.SERVICE, name=username.removeprefix(SERVICE_PREFIX))
    return Subject(kind=SubjectKind.USER, name=username)


def own_subjects(person: Person) -> frozenset[Subject]:
    """What `person` is before any group of the portal: themselves, everyone, their directory groups.

    A service account is itself alone: it cannot log in, so that nothing for everyone is meant for it.
    """
    return _own_subjects(person.username, person.groups)


@lru_cache(maxsize=1024)
def _own_subjects(username: str, groups: frozenset[str]) -> frozenset[Subject]:
    me = asking(username)
    if me.kind is SubjectKind.SERVICE:
        return frozenset({me})
    named = (Subject(kind=SubjectKind.GROUP, name=name) for name in groups if nameable(name))
    return frozenset((me, EVERYONE, *named))


def empowered(subject: Subject) -> bool:
    """May a power over the site be for `subject`? Not where others than the directory choose who is in."""
    return subject.kind in (SubjectKind.USER, SubjectKind.GROUP)


def nameable(group: str) -> bool:
    """Can a grant name this group of the directory? Anything may stand there."""
    try:
        return 0 < len(printable(group)) <= 255
    except ValueError:
        return False


def owner_of(resource: Resource) -> str | None:
    """The owner written in a user volume's address `<root>/<owner>/<name>`; None for other kinds."""
    parts = resource.name.split("/")
    return parts[1] if resource.kind is ResourceKind.USER_VOLUME and len(parts) == 3 else None


def enough(action: Action) -> frozenset[Action]:
    """The actions of which any one lets do `action`: write includes read."""
    return frozenset({action, Action.WRITE}) if action is Action.READ else frozenset({action})


def decide(
    acting: Acting,
    action: Action,
    resource: Resource,
    grants: Iterable[Grant],
    now: AwareDatetime,
    owner: str | None = None,
) -> Decision:
    """Decide whether `acting` may do `action` to `resource` under `grants` at `now`.

    Owners may do anything with their own; administrators of the site have every power over it and may give
    rights to what is the site's, as may who was granted the power to; everything else needs a grant. grants:
    on the resource and, where rights are given, on the site. `owner`: of a job or session; a user volume's
    stands in its address.
    """
    of_site = resource.kind is ResourceKind.SITE
    if action not in ACTIONS[resource.kind] and not (of_site and action is Action.GRANT):
        return Decision(allowed=False, reason=f"there is no {action} for a {resource.kind.replace('_', ' ')}")
    if acting.person.username == (owner or owner_of(resource)):
        return Decision(allowed=True, reason="you own it")
    gives = action is Action.GRANT
    if acting.person.admin and (of_site or (gives and resource.kind in OF_THE_SITE)):
        return Decision(allowed=True, reason="you administer this site")
    wanted, power = enough(action), GIVEN_BY.get(resource.kind) if gives else None
    matching = [
        g
        for g in grants
        if ((g.action in wanted and g.resource == resource) or (g.action is power and g.resource == THE_SITE))
        and g.subject in acting.subjects
    ]
    live = next((grant for grant in matching if grant.lives(now)), None)
    if live is not None:
        return Decision(allowed=True, reason=f"granted to {live.subject} by {live.granted_by}", grant=live)
    if matching:
        reason = "your grant has expired; ask the owner to renew it"
        return Decision(allowed=False, reason=reason, grant=matching[0])
    return Decision(
        allowed=False, reason=f"you have no grant to {action} it; ask its owner or an administrator"
    )
