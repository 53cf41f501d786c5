"""Groups and memberships as rows, and back."""

from __future__ import annotations

from typing import Any

from ..domain.access import Subject
from ..domain.groups import Group, Membership, likeness
from .grant_rows import subject_of


def group_of(row: Any) -> Group:
    """A row of `groups`."""
    columns = row._mapping
    return Group.model_validate({name: columns[name] for name in Group.model_fields})


def membership_of(row: Any) -> Membership:
    """A row of `memberships`."""
    return Membership(
        group=row.group_name,
        member=subject_of(row.member_kind, row.member_name),
        role=row.role,
        status=row.status,
        barred=row.barred,
        by=row.by,
        changed_at=row.changed_at,
    )


def group_row(group: Group) -> dict[str, Any]:
    """All columns but `id` and `deleted_at`."""
    return group.model_dump() | {"likeness": likeness(group.name)}


def membership_row(membership: Membership) -> dict[str, Any]:
    """All columns but `id`."""
    rest = membership.model_dump(exclude={"group", "member"})
    return rest | {"group_name": membership.group} | member_columns(membership.member)


def member_columns(member: Subject) -> dict[str, Any]:
    """The two columns that name a member."""
    return {"member_kind": member.kind, "member_name": member.name}
