"""The access decision: additive grants, deny by default, an answer that carries its reason."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import AwareDatetime, Field

from .model import Model
from .people import Person


class Action(StrEnum):
    """What may be done with a resource."""

    USE = "use"
    """Run jobs in a compute domain; run an image."""

    READ = "read"
    WRITE = "write"


class Resource(Model):
    """A thing grants are about.

    kind: domain, image, data_volume, user_volume, job; name: its stable name or address.
    """

    kind: str = Field(pattern=r"^(domain|image|data_volume|user_volume|job)\z")
    name: str = Field(min_length=1, max_length=255)

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.name}"


class Subject(Model):
    """Who a grant is for: a user, a group, or everyone who can log in."""

    kind: str = Field(pattern=r"^(user|group|everyone)\z")
    name: str = Field(default="", max_length=64)

    def __str__(self) -> str:
        return self.kind if self.kind == "everyone" else f"{self.kind} {self.name}"


class Grant(Model):
    """`subject` may do `action` to `resource`, until `expires` where given."""

    subject: Subject
    action: Action
    resource: Resource
    granted_by: str = "site"
    expires: AwareDatetime | None = None


class Decision(Model):
    """May it be done, and why (not).

    `reason` is a sentence for the asker.
    """

    allowed: bool
    reason: str

    def __bool__(self) -> bool:
        return self.allowed


def closure(person: Person) -> frozenset[Subject]:
    """Every subject `person` acts as: themselves, their groups, everyone."""
    groups = (Subject(kind="group", name=name) for name in person.groups)
    return frozenset((Subject(kind="user", name=person.username), Subject(kind="everyone"), *groups))


def owner_of(resource: Resource) -> str | None:
    """The owner written in a user volume's address `<root>/<owner>/<name>`; None for other kinds."""
    parts = resource.name.split("/")
    return parts[1] if resource.kind == "user_volume" and len(parts) == 3 else None


def decide(
    person: Person,
    action: Action,
    resource: Resource,
    grants: Iterable[Grant],
    now: AwareDatetime,
) -> Decision:
    """Decide whether `person` may do `action` to `resource` under `grants` at `now`.

    Owners may do anything with their own volumes; write includes read; everything else needs a grant.
    """
    if owner_of(resource) == person.username:
        return Decision(allowed=True, reason="you own it")
    subjects = closure(person)
    enough = {action, Action.WRITE} if action is Action.READ else {action}
    matching = [g for g in grants if g.resource == resource and g.action in enough and g.subject in subjects]
    live = [g for g in matching if g.expires is None or g.expires > now]
    if live:
        return Decision(allowed=True, reason=f"granted to {live[0].subject} by {live[0].granted_by}")
    if matching:
        return Decision(allowed=False, reason="your grant has expired; ask the owner to renew it")
    return Decision(
        allowed=False, reason=f"you have no grant to {action} it; ask its owner or an administrator"
    )
