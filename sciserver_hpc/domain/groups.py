"""Groups of people: what they are, and how one stands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from .access import Subject, SubjectKind, asking
from .errors import Refused
from .model import Model
from .names import Slug, printable
from .people import Person

Description = Annotated[str, StringConstraints(max_length=2000), AfterValidator(printable)]


class Role(StrEnum):
    """What a member may do in a group, from least to most."""

    MEMBER = "member"
    ADMIN = "admin"
    """Invite, withdraw, promote, expel members, nest groups, describe."""

    OWNER = "owner"
    """All an admin may; expel and demote admins, hand the group over, delete it. One person, always."""


_RANK = {role: rank for rank, role in enumerate(Role)}


class Status(StrEnum):
    """How a membership stands; all but ACCEPTED count for nothing."""

    INVITED = "invited"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LEFT = "left"
    EXPELLED = "expelled"


class Accessibility(StrEnum):
    """Who may come in: PRIVATE by invitation, PUBLIC whoever wants to."""

    PRIVATE = "private"
    PUBLIC = "public"


class Source(StrEnum):
    """Where a group's members are kept: PORTAL here, DIRECTORY in LDAP, read-only here."""

    PORTAL = "portal"
    DIRECTORY = "directory"


class Group(Model):
    """A group. `owner`: a username; "" for one of the directory.

    heir: the member it is offered to, who owns it once they accept.
    """

    name: str = Field(min_length=1, max_length=255)
    source: Source = Source.PORTAL
    description: Description = ""
    owner: str = Field(default="", max_length=32)
    heir: str | None = Field(default=None, max_length=32)
    accessibility: Accessibility = Accessibility.PRIVATE
    created_at: AwareDatetime

    @property
    def subject(self) -> Subject:
        """The group as one a grant may be for: never the same for the two sources, whatever the name."""
        kind = SubjectKind.PORTAL_GROUP if self.source is Source.PORTAL else SubjectKind.GROUP
        return Subject(kind=kind, name=self.name)


class Membership(Model):
    """`member`, a user or a group, in the portal's group of that name.

    barred: was expelled, and comes back only by accepting an invitation. by: who changed it last.
    """

    group: Slug
    member: Subject
    role: Role = Role.MEMBER
    status: Status
    barred: bool = False
    by: str
    changed_at: AwareDatetime

    @property
    def counts(self) -> bool:
        """Is the member in?"""
        return self.status is Status.ACCEPTED


@dataclass(frozen=True)
class Standing:
    """Who asks, about which group.

    own: the asker's own membership in it; steward: may they repair any group (the power manage_groups)?
    """

    person: Person
    group: Group
    own: Membership | None = None
    steward: bool = False

    def has(self, least: Role) -> bool:
        """May the asker do what `least` may? Stewards may in every group of the portal."""
        role = self.own.role if self.own is not None and self.own.counts else None
        return self.steward or (role is not None and _RANK[role] >= _RANK[least])

    def need(self, least: Role) -> None:
        """Raise Refused unless the asker may do what `least` may."""
        if self.group.source is Source.DIRECTORY:
            raise Refused({str(self.group.subject): "it is kept in the directory and cannot be changed here"})
        if not self.has(least):
            who = "its owner" if least is Role.OWNER else "its owner and its admins"
            raise Refused({str(self.group.subject): f"only {who} may do that"})


def likeness(name: str) -> str:
    """What `name` looks like: names of one likeness are too easily taken for each other."""
    folded = re.sub("[._-]", "", name.casefold()).replace("0", "o")
    return re.sub("[1i|]", "l", folded).replace("rn", "m").replace("vv", "w")


def portal_group(name: str) -> Subject:
    """A group of the portal, as a member or as one a grant is for."""
    return Subject(kind=SubjectKind.PORTAL_GROUP, name=name)


def user(name: str) -> Subject:
    """A person, or a service account by the name it asks under, as a member."""
    return asking(name)
