"""What goes in and out of the API about service accounts."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from sciserver_hpc.domain.access import Subject
from sciserver_hpc.domain.groups import Description
from sciserver_hpc.domain.model import Model
from sciserver_hpc.domain.names import JobName, ServiceName, Slug
from sciserver_hpc.domain.tokens import Scope
from sciserver_hpc.services.service_accounts import LONGEST_PAGE

from .models import TokenAnswer


class ServiceAccountRequest(Model):
    """A new service account. group: the group of the portal that owns it; left out, the asker does."""

    name: ServiceName
    description: Description = ""
    group: Slug | None = None


class ServiceAccountChange(Model):
    """What shall change; what is left out stays."""

    description: Description | None = None
    disabled: bool | None = None


class ServiceAccountView(Model):
    """A service account as the asker sees it.

    locked: an administrator of the site disabled it. mine: the asker manages it, and does not only look after
    it as an administrator.
    """

    name: str
    owner: Subject
    description: str
    created_by: str
    created_at: AwareDatetime
    disabled_at: AwareDatetime | None
    disabled_by: str
    locked: bool
    mine: bool


class ServiceAccountAnswer(Model):
    """One service account."""

    service_account: ServiceAccountView


class ServiceAccountsQuery(Model):
    """every: all of the site's, for its administrators. `after`: the last name of the page before."""

    every: bool = False
    after: str = Field(default="", max_length=32)
    limit: int = Field(default=100, ge=1, le=LONGEST_PAGE)


class ServiceAccountsAnswer(Model):
    """Service accounts by name; `next`: the `after` of the page after, null at the end.

    longest_days: the most a token of theirs may live; scopes: what one may be for.
    """

    service_accounts: tuple[ServiceAccountView, ...]
    next: str | None = None
    longest_days: int
    scopes: tuple[Scope, ...]


class RotateRequest(Model):
    """For how many days the new secret is good."""

    days: int = Field(default=30, ge=1, le=365)


class ServiceTokenRequest(RotateRequest):
    """A token of a service account: what it is for, what it may do, for how many days."""

    name: JobName
    scopes: tuple[Scope, ...] = Field(min_length=1, max_length=len(Scope))


class ServiceTokensAnswer(Model):
    """Its live tokens, newest first."""

    tokens: tuple[TokenAnswer, ...]
