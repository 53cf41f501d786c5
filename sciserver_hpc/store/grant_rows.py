"""Grants as rows, and back. What was read a moment ago gives the same frozen model."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..domain.access import Action, Grant, Resource, ResourceKind, Subject, SubjectKind
from ..domain.sharing import Share

_ACTIONS = {str(action): action for action in Action}


@lru_cache(maxsize=1024)
def subject_of(kind: str, name: str) -> Subject:
    """A subject this package wrote."""
    return Subject.model_construct(kind=SubjectKind(kind), name=name)


@lru_cache(maxsize=1024)
def resource_of(kind: str, name: str) -> Resource:
    """A resource this package wrote."""
    return Resource.model_construct(kind=ResourceKind(kind), name=name)


def grant_of(row: Any) -> Grant:
    """A row of `grants`."""
    return Grant.model_construct(
        subject=subject_of(row.subject_kind, row.subject_name),
        action=_ACTIONS[row.action],
        resource=resource_of(row.resource_kind, row.resource_name),
        granted_by=row.granted_by,
        expires=row.expires,
    )


def share_of(row: Any) -> Share:
    """A row of `grants` with its id."""
    return Share(id=row.id, grant=grant_of(row), created_at=row.created_at)


def row_of(grant: Grant) -> dict[str, Any]:
    """All columns but `id` and `created_at`."""
    return {
        "subject_kind": grant.subject.kind,
        "subject_name": grant.subject.name,
        "action": grant.action,
        "resource_kind": grant.resource.kind,
        "resource_name": grant.resource.name,
        "granted_by": grant.granted_by,
        "expires": grant.expires,
    }
