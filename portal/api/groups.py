"""Groups, invitations and memberships; and the people one may invite."""

from __future__ import annotations

from flask import Response

from sciserver_hpc.domain.tokens import Scope
from sciserver_hpc.services.groups import GroupSeen

from ..guard import Access, asker, person
from ..services import services
from .access_models import (
    GroupAnswer,
    GroupChange,
    GroupRequest,
    GroupsAnswer,
    GroupView,
    PeopleAnswer,
    PeopleQuery,
    PersonView,
    PublicQuery,
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


def people() -> PeopleAnswer:
    """People whose names start so."""
    found = services.groups.people(query(PeopleQuery).prefix)
    return PeopleAnswer(
        people=tuple(PersonView(username=one.username, full_name=one.full_name) for one in found)
    )


def _view(seen: GroupSeen) -> GroupView:
    return GroupView(**seen.group.model_dump(exclude={"heir"}), role=seen.role, member=seen.member)


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
        "/people",
        people,
        READ,
        "A few people known here whose names start so.",
        query=PeopleQuery,
        answer=PeopleAnswer,
    ),
)
