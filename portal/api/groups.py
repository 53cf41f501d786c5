"""Groups, invitations and memberships; and the people one may invite."""

from __future__ import annotations

from flask import Response

from sciserver_hpc.domain.groups import Membership
from sciserver_hpc.domain.tokens import Scope
from sciserver_hpc.services.groups import GroupSeen

from ..guard import Access, asker, person
from ..services import services
from .access_models import (
    AnswerQuery,
    GroupAnswer,
    GroupChange,
    GroupRequest,
    GroupsAnswer,
    GroupView,
    InviteRequest,
    MemberRequest,
    MembershipAnswer,
    MembershipsAnswer,
    MembersQuery,
    PeopleAnswer,
    PeopleQuery,
    PersonView,
    PublicQuery,
    RoleRequest,
)
from .routes import Route, body, query


def list_groups() -> GroupsAnswer:
    """The asker's groups."""
    return GroupsAnswer(groups=tuple(map(_view, services.groups.mine(person()))))


def public_groups() -> GroupsAnswer:
    """Groups anybody may join."""
    asked = query(PublicQuery)
    found = services.groups.public(asked.after, asked.limit + 1)
    page = found[: asked.limit]
    views = tuple(_view(GroupSeen(group=group)) for group in page)
    return GroupsAnswer(groups=views, next=page[-1].name if len(found) > len(page) else None)


def make_group() -> Response:
    """Make a group."""
    asked = body(GroupRequest)
    group, new = services.groups.create(asker(), asked.name, asked.description, asked.accessibility)
    answer = GroupAnswer(group=_view(services.groups.get(person(), group.name)))
    return Response(answer.model_dump_json(), 201 if new else 200, mimetype="application/json")


def group(name: str) -> GroupAnswer:
    """One group."""
    return GroupAnswer(group=_view(services.groups.get(person(), name)))


def change_group(name: str) -> GroupAnswer:
    """Other words or accessibility."""
    asked = body(GroupChange)
    changed = services.groups.describe(asker(), name, asked.description, asked.accessibility)
    return GroupAnswer(group=_view(changed))


def delete_group(name: str) -> Response:
    """End a group."""
    services.groups.delete(asker(), name)
    return Response(status=204)


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
    """Hand the group over."""
    return _now(services.groups.transfer(asker(), name, body(MemberRequest).member))


def people() -> PeopleAnswer:
    """People whose names start so."""
    found = services.groups.people(query(PeopleQuery).prefix)
    return PeopleAnswer(
        people=tuple(PersonView(username=one.username, full_name=one.full_name) for one in found)
    )


def _view(seen: GroupSeen) -> GroupView:
    return GroupView(**seen.group.model_dump(), role=seen.role, member=seen.member)


def _now(membership: Membership) -> MembershipAnswer:
    return MembershipAnswer(membership=membership)


READ, WRITE = Access(scope=Scope.GROUPS_READ), Access(scope=Scope.GROUPS_WRITE)
ONE = "/groups/<name>"
ROUTES = (
    Route("GET", "/groups", list_groups, READ, "Groups I am in, at any depth.", answer=GroupsAnswer),
    Route(
        "GET",
        "/groups/public",
        public_groups,
        READ,
        "Groups anybody may join, by name.",
        query=PublicQuery,
        answer=GroupsAnswer,
    ),
    Route(
        "POST",
        "/groups",
        make_group,
        WRITE,
        "Make a group, owned by me: 201, or 200 when I made the same one before.",
        body=GroupRequest,
        answer=GroupAnswer,
        status=201,
    ),
    Route("GET", ONE, group, READ, "One group.", answer=GroupAnswer),
    Route(
        "PATCH",
        ONE,
        change_group,
        WRITE,
        "Change description or accessibility.",
        body=GroupChange,
        answer=GroupAnswer,
    ),
    Route(
        "DELETE", ONE, delete_group, WRITE, "End a group, its memberships and the grants to it.", status=204
    ),
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
        "Open invitations to me and to groups I administer.",
        answer=MembershipsAnswer,
    ),
    Route(
        "POST",
        f"{ONE}/invite",
        invite,
        WRITE,
        "Invite a person or a group of the portal; a group of the directory is in at once.",
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
        "Leave, or take a group I administer out.",
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
        "Hand the group over to a member.",
        body=MemberRequest,
        answer=MembershipAnswer,
    ),
    Route(
        "GET",
        "/people",
        people,
        READ,
        "A few people known here whose names start so.",
        query=PeopleQuery,
        answer=PeopleAnswer,
    ),
)
