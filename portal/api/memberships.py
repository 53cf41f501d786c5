"""Invitations and memberships: coming in, going, and roles."""

from __future__ import annotations

from sciserver_hpc.domain.groups import Membership

from ..guard import asker, person
from ..services import services
from .access_models import (
    AnswerQuery,
    InviteRequest,
    MemberRequest,
    MembershipAnswer,
    MembershipsAnswer,
    MembersQuery,
    RoleRequest,
)
from .groups import ONE, READ, WRITE
from .routes import Route, body, query


def members(name: str) -> MembershipsAnswer:
    """Who is in."""
    asked = query(MembersQuery)
    found = services.groups.members(person(), name, asked.after, asked.limit + 1)
    page = found[: asked.limit]
    last = page[-1].member if len(found) > len(page) else None
    return MembershipsAnswer(memberships=tuple(page), next=f"{last.kind}:{last.name}" if last else None)


def group_invitations(name: str) -> MembershipsAnswer:
    """Open invitations to a group."""
    return MembershipsAnswer(memberships=tuple(services.groups.invitations(person(), name)))


def invitations() -> MembershipsAnswer:
    """Invitations the asker may answer."""
    return MembershipsAnswer(memberships=tuple(services.groups.invited(person())))


def invite(name: str) -> MembershipAnswer:
    """Invite somebody."""
    asked = body(InviteRequest)
    return _now(services.groups.invite(asker(), name, asked.member, asked.role))


def withdraw(name: str) -> MembershipAnswer:
    """Take an invitation back."""
    return _now(services.groups.withdraw(asker(), name, body(MemberRequest).member))


def accept(name: str) -> MembershipAnswer:
    """Accept an invitation."""
    return _now(services.groups.accept(asker(), name, query(AnswerQuery).member))


def decline(name: str) -> MembershipAnswer:
    """Decline an invitation."""
    return _now(services.groups.decline(asker(), name, query(AnswerQuery).member))


def join(name: str) -> MembershipAnswer:
    """Join a public group."""
    return _now(services.groups.join(asker(), name))


def leave(name: str) -> MembershipAnswer:
    """Leave."""
    return _now(services.groups.leave(asker(), name, query(AnswerQuery).member))


def remove(name: str) -> MembershipAnswer:
    """Expel a member."""
    return _now(services.groups.remove(asker(), name, body(MemberRequest).member))


def set_role(name: str) -> MembershipAnswer:
    """Promote or demote."""
    asked = body(RoleRequest)
    return _now(services.groups.set_role(asker(), name, asked.member, asked.role))


def transfer(name: str) -> MembershipAnswer:
    """Offer the group to a member."""
    return _now(services.groups.transfer(asker(), name, body(MemberRequest).member))


def _now(membership: Membership) -> MembershipAnswer:
    return MembershipAnswer(membership=membership)


ROUTES = (
    Route(
        "GET",
        f"{ONE}/members",
        members,
        READ,
        "Who is in a group, for its members.",
        query=MembersQuery,
        answer=MembershipsAnswer,
    ),
    Route(
        "GET",
        f"{ONE}/invitations",
        group_invitations,
        READ,
        "Open invitations to a group, for its admins.",
        answer=MembershipsAnswer,
    ),
    Route(
        "GET",
        "/invitations",
        invitations,
        READ,
        "Open invitations to me, to groups I administer and to service accounts of ours.",
        answer=MembershipsAnswer,
    ),
    Route(
        "POST",
        f"{ONE}/invite",
        invite,
        WRITE,
        "Invite somebody; a group of the directory, or a service account of mine, is in at once.",
        body=InviteRequest,
        answer=MembershipAnswer,
    ),
    Route(
        "POST",
        f"{ONE}/withdraw",
        withdraw,
        WRITE,
        "Take an invitation back.",
        body=MemberRequest,
        answer=MembershipAnswer,
    ),
    Route(
        "POST",
        f"{ONE}/accept",
        accept,
        WRITE,
        "Accept an invitation.",
        query=AnswerQuery,
        answer=MembershipAnswer,
    ),
    Route(
        "POST",
        f"{ONE}/decline",
        decline,
        WRITE,
        "Decline an invitation.",
        query=AnswerQuery,
        answer=MembershipAnswer,
    ),
    Route("POST", f"{ONE}/join", join, WRITE, "Join a public group.", answer=MembershipAnswer),
    Route(
        "POST",
        f"{ONE}/leave",
        leave,
        WRITE,
        "Leave, or take a group or service account of mine out.",
        query=AnswerQuery,
        answer=MembershipAnswer,
    ),
    Route(
        "POST",
        f"{ONE}/remove",
        remove,
        WRITE,
        "Expel a person, or take a nested group out.",
        body=MemberRequest,
        answer=MembershipAnswer,
    ),
    Route(
        "POST",
        f"{ONE}/role",
        set_role,
        WRITE,
        "Promote a member to admin, or demote.",
        body=RoleRequest,
        answer=MembershipAnswer,
    ),
    Route(
        "POST",
        f"{ONE}/transfer",
        transfer,
        WRITE,
        "Offer the group to a member, who owns it once they accept; the answer is the invitation.",
        body=MemberRequest,
        answer=MembershipAnswer,
    ),
)
