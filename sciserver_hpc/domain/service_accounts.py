"""Service accounts: programs that ask by tokens of their own, for a person or for a group of the portal.

Pure rules. A service account has no Unix user, so that it can look and manage in the portal, and neither
submit a job nor touch a file. It is never more than a plain member of a group, and owns nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime

from .access import Resource, ResourceKind, Subject, SubjectKind
from .errors import Conflict, Refused
from .groups import Description, Membership, Role
from .model import Model
from .names import SERVICE_PREFIX, ServiceName
from .people import Person, Program
from .tokens import Scope

SCOPES = (
    Scope.JOBS_READ,
    Scope.FILES_READ,
    Scope.GROUPS_READ,
    Scope.GROUPS_WRITE,
    Scope.GRANTS_READ,
    Scope.GRANTS_WRITE,
)
"""What a token of a service account may be for: what needs no Unix user. Named one by one, so that no scope
that is thought of later comes in by itself."""

MOST_OWNED = 20
MOST_TOKENS = 20


class ServiceAccount(Model):
    """A service account. owner: a person, or a group of the portal, whose owner and admins manage it.

    locked: disabled by an administrator of the site, so that only one of them enables it.
    """

    name: ServiceName
    owner: Subject
    description: Description = ""
    created_by: str
    created_at: AwareDatetime
    disabled_at: AwareDatetime | None = None
    disabled_by: str = ""
    locked: bool = False

    @property
    def subject(self) -> Subject:
        """The account as one a grant may be for."""
        return Subject(kind=SubjectKind.SERVICE, name=self.name)

    @property
    def resource(self) -> Resource:
        """The account as a thing that is managed."""
        return Resource(kind=ResourceKind.SERVICE, name=self.name)

    @property
    def program(self) -> Program:
        """The account as one that asks."""
        return Program(username=self.caller, full_name=self.description)

    @property
    def caller(self) -> str:
        """The name it asks under."""
        return SERVICE_PREFIX + self.name

    @property
    def person(self) -> str:
        """The username of the person who owns it; "" when a group does."""
        return self.owner.name if self.owner.kind is SubjectKind.USER else ""


@dataclass(frozen=True)
class Managing:
    """Who asks, about which account. `own`: the asker's own membership in the group that owns it."""

    person: Person
    account: ServiceAccount
    own: Membership | None = None

    @property
    def manages(self) -> bool:
        """Is it theirs? An administrator of the site as such has no right to speak by others' accounts."""
        return owns(self.person, self.account.owner, self.own)

    def need(self, *, tending: bool = False) -> None:
        """Raise Refused unless they manage it. tending: to stop something, as administrators may too."""
        if not (self.manages or (tending and self.person.admin)):
            who = "its owner" if self.account.person else f"owner and admins of {self.account.owner}"
            raise Refused({str(self.account.subject): f"only {who} may do that"})


def owns(person: Person, owner: Subject, own: Membership | None) -> bool:
    """Does the person act for `owner`: themselves, or a group by their `own` membership in it?"""
    if isinstance(person, Program):
        return False
    if owner.kind is SubjectKind.USER:
        return owner.name == person.username
    leads = own is not None and own.counts and own.role in (Role.ADMIN, Role.OWNER)
    return owner.kind is SubjectKind.PORTAL_GROUP and leads


def create(managing: Managing, *, owned: int, once_used: bool) -> ServiceAccount:
    """A new account. owned: how many its owner has; once_used: some account has or had a name like it."""
    account = managing.account
    if not managing.manages:
        words = "make it for yourself, or for a group you own or are an admin of"
        raise Refused({str(account.owner): words})
    if owned >= MOST_OWNED:
        words = f"{account.owner} has {owned} service accounts, the most one may; delete one first"
        raise Refused({str(account.subject): words})
    if once_used:
        raise Conflict(f"{account.name} reads like the name another account has or had; choose another.")
    return account


def describe(managing: Managing, description: str) -> ServiceAccount | None:
    """Other words; None when they are the same."""
    managing.need()
    account = managing.account
    return (
        None
        if account.description == description
        else account.model_copy(update={"description": description})
    )


def disable(managing: Managing, now: datetime) -> ServiceAccount | None:
    """Stop all its tokens. An administrator whose it is not locks it as well, even where it is off."""
    managing.need(tending=True)
    account, locking = managing.account, not managing.manages
    if account.disabled_at is not None and (account.locked or not locking):
        return None
    changed = {"disabled_at": now, "disabled_by": managing.person.username, "locked": locking}
    return account.model_copy(update=changed)


def enable(managing: Managing) -> ServiceAccount | None:
    """Let its tokens be good again."""
    account = managing.account
    managing.need(tending=account.locked)
    if account.locked and not managing.person.admin:
        words = f"{account.disabled_by}, who administers this site, disabled it; ask an administrator"
        raise Refused({str(account.subject): words})
    if account.disabled_at is None:
        return None
    return account.model_copy(update={"disabled_at": None, "disabled_by": "", "locked": False})


def need_unix(person: Person) -> None:
    """Raise Refused for a service account, as which nothing can run."""
    if isinstance(person, Program):
        words = "a service account has no Unix user; a person submits, with a token of their own"
        raise Refused({"jobs": words})
