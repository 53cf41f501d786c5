"""What goes in and out of the API about groups, grants and the audit trail."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema, model_validator

from sciserver_hpc.domain.access import Action, Resource, Subject, SubjectKind
from sciserver_hpc.domain.audit import Entry
from sciserver_hpc.domain.groups import Accessibility, Description, Membership, Role, Source, portal_group
from sciserver_hpc.domain.model import Model
from sciserver_hpc.domain.names import ServiceName, Slug, Username
from sciserver_hpc.domain.why import Explanation
from sciserver_hpc.services.audit import LONGEST_PAGE as LONGEST_AUDIT
from sciserver_hpc.services.groups import LONGEST_PAGE
from sciserver_hpc.services.sharing import Usable

from .models import MAX_INT


def _thing(value: Any) -> Any:
    return Resource.parse(value) if isinstance(value, str) else value


def _member(value: Any) -> Any:
    kind, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    return {"kind": kind, "name": name} if kind else value


ResourceText = Annotated[
    Resource,
    BeforeValidator(_thing),
    WithJsonSchema({"type": "string", "examples": ["user_volume:Storage/alice/shared"]}),
]
"""A thing in a query string: `kind:name`."""

MemberText = Annotated[
    Subject, BeforeValidator(_member), WithJsonSchema({"type": "string", "examples": ["user:bob"]})
]
"""A member in a query string: `kind:name`."""


class GroupRequest(Model):
    """A new group."""

    name: Slug
    description: Description = ""
    accessibility: Accessibility = Accessibility.PRIVATE


class GroupChange(Model):
    """What shall change; what is left out stays."""

    description: Description | None = None
    accessibility: Accessibility | None = None


class UnixGroupRequest(Model):
    """Whether it shall be a Unix group."""

    on: bool


class GroupView(Model):
    """A group as the asker sees it.

    source: `directory` for one of LDAP, read-only here. role: of their own membership; member: in it, at any
    depth.
    """

    name: str
    source: Source
    description: str
    owner: str
    accessibility: Accessibility
    created_at: AwareDatetime
    role: Role | None = None
    member: bool = False


class GroupAnswer(Model):
    """One group."""

    group: GroupView


class GroupsAnswer(Model):
    """Groups by name; `next`: the `after` of the page after, null at the end."""

    groups: tuple[GroupView, ...]
    next: str | None = None


class PublicQuery(Model):
    """`after`: the last name of the page before."""

    after: str = Field(default="", max_length=64)
    limit: int = Field(default=100, ge=1, le=LONGEST_PAGE)


class MembersQuery(Model):
    """`after`: the last member of the page before, as `kind:name`."""

    after: MemberText | None = None
    limit: int = Field(default=100, ge=1, le=LONGEST_PAGE)


class MembershipAnswer(Model):
    """A membership as it stands now."""

    membership: Membership


class MembershipsAnswer(Model):
    """Memberships; `next`: the `after` of the page after, null at the end."""

    memberships: tuple[Membership, ...]
    next: str | None = None


class MemberRequest(Model):
    """Whom it is about: a person, a service account or a group."""

    member: Subject


class InviteRequest(MemberRequest):
    """Whom to invite, as what."""

    role: Literal[Role.MEMBER, Role.ADMIN] = Role.MEMBER


class RoleRequest(MemberRequest):
    """The role they shall have."""

    role: Literal[Role.MEMBER, Role.ADMIN]


class AnswerQuery(Model):
    """`group`, `service`: answer for this group or service account, which is the asker's, in place of for
    oneself."""

    group: Slug | None = None
    service: ServiceName | None = None

    @property
    def member(self) -> Subject | None:
        """Whom the answer is for; None: the asker."""
        if self.service is not None:
            return Subject(kind=SubjectKind.SERVICE, name=self.service)
        return None if self.group is None else portal_group(self.group)


class PeopleQuery(Model):
    """The start of a username or of a part of a name."""

    prefix: str = Field(max_length=64)


class PersonView(Model):
    """Somebody who logged in here."""

    username: str
    full_name: str


class PeopleAnswer(Model):
    """A few people, by username."""

    people: tuple[PersonView, ...]


class GrantRequest(Model):
    """Who shall be able to do what with a thing; actions, or a role that bundles some."""

    resource: Resource
    subject: Subject
    actions: tuple[Action, ...] = Field(default=(), max_length=len(Action))
    role: str | None = Field(default=None, max_length=16)
    expires: AwareDatetime | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> GrantRequest:
        if bool(self.actions) == (self.role is not None):
            raise ValueError("give either actions or a role")
        return self


class RevokeRequest(Model):
    """What to take back; all of it when no actions are named."""

    resource: Resource
    subject: Subject
    actions: tuple[Action, ...] | None = Field(default=None, min_length=1, max_length=len(Action))
    dry_run: bool = False


class ShareView(Model):
    """A grant. `id` is 0 in a dry run."""

    id: int
    resource: Resource
    subject: Subject
    action: Action
    granted_by: str
    created_at: AwareDatetime
    expires: AwareDatetime | None
    expired: bool


class SharesAnswer(Model):
    """Grants, oldest first; `next`: the `after` of the page after, null at the end."""

    grants: tuple[ShareView, ...]
    next: int | None = None


class SharesQuery(Model):
    """`after`: the last id of the page before."""

    after: int = Field(default=0, ge=0, le=MAX_INT)
    limit: int = Field(default=100, ge=1, le=LONGEST_PAGE)


class ThingQuery(Model):
    """The thing that is asked about."""

    resource: ResourceText


class OnQuery(SharesQuery, ThingQuery):
    """The thing whose grants are asked for."""


class UsableAnswer(Model):
    """What grants let the asker do, thing by thing."""

    usable: tuple[Usable, ...]


class ExplainQuery(Model):
    """Who (the asker, when left out) would do what with which thing."""

    user: Username | None = None
    action: Action
    resource: ResourceText


class ExplainAnswer(Model):
    """Why they may, or may not."""

    explanation: Explanation


class SupportRequest(Model):
    """As whom to look, and why; they read the reason."""

    user: Username
    reason: str = Field(max_length=2000)


class SupportAnswer(Model):
    """`token` is a bearer token that reads as `user`; it is shown once."""

    token: str
    user: str
    expires_at: AwareDatetime


class ExportQuery(Model):
    """One thing's or group's trail, or all the asker may read."""

    resource: ResourceText | None = None


class AuditQuery(ExportQuery):
    """`before`: the last id of the page before."""

    before: int | None = Field(default=None, ge=1, le=MAX_INT)
    limit: int = Field(default=100, ge=1, le=LONGEST_AUDIT)


class AuditAnswer(Model):
    """Lines of the trail, newest first; `next`: the `before` of the page after, null at the end."""

    entries: tuple[Entry, ...]
    next: int | None = None
