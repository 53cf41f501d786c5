"""Grants: given, taken back, listed, explained."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response

from sciserver_hpc.domain.access import Action, ResourceKind, roles
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.sharing import Share
from sciserver_hpc.domain.tokens import Scope

from ..guard import Access, asker, need, need_login, person
from ..services import services
from .access_models import (
    ExplainAnswer,
    ExplainQuery,
    GrantRequest,
    OnQuery,
    RevokeRequest,
    SharesAnswer,
    SharesQuery,
    ShareView,
    UsableAnswer,
)
from .routes import Route, body, query


def give_grants() -> Response:
    """Grant actions to somebody."""
    asked = body(GrantRequest)
    if asked.resource.kind is ResourceKind.SITE:
        need_login()  # a token that may share for an administrator makes no other one
    given = services.sharing.give(
        asker(), asked.resource, asked.subject, _actions(asked), asked.expires, dry_run=asked.dry_run
    )
    answer = SharesAnswer(grants=tuple(map(_view, given)))
    return Response(answer.model_dump_json(), 200 if asked.dry_run else 201, mimetype="application/json")


def revoke_grants() -> SharesAnswer:
    """Take back what somebody was granted."""
    asked = body(RevokeRequest)
    gone = services.sharing.revoke(
        asker(), asked.resource, asked.subject, asked.actions, dry_run=asked.dry_run
    )
    return SharesAnswer(grants=tuple(map(_view, gone)))


def revoke_grant(grant_id: int) -> Response:
    """Take one grant back."""
    services.sharing.revoke_one(asker(), grant_id)
    return Response(status=204)


def grants_on() -> SharesAnswer:
    """Grants on a thing."""
    asked = query(OnQuery)
    return _page(services.sharing.on(person(), asked.resource, asked.after, asked.limit + 1), asked.limit)


def my_grants() -> SharesAnswer:
    """What the asker granted."""
    asked = query(SharesQuery)
    return _page(services.sharing.by_me(person(), asked.after, asked.limit + 1), asked.limit)


def shared_with_me() -> SharesAnswer:
    """What others granted the asker."""
    asked = query(SharesQuery)
    return _page(services.sharing.with_me(person(), asked.after, asked.limit + 1), asked.limit)


def usable() -> UsableAnswer:
    """What grants let the asker do."""
    return UsableAnswer(usable=tuple(services.sharing.usable(person())))


def explain() -> ExplainAnswer:
    """Why somebody may, or may not."""
    asked = query(ExplainQuery)
    who = asked.user or person().username
    if who != person().username or asked.resource.kind is ResourceKind.GROUP:
        need(Scope.GROUPS_READ)  # who has a right through a group is in it
    return ExplainAnswer(explanation=services.explaining.explain(person(), who, asked.action, asked.resource))


def _actions(asked: GrantRequest) -> Sequence[Action]:
    """The actions asked for, or those of the role. Raises Invalid."""
    if asked.role is None:
        return asked.actions
    known = roles(asked.resource.kind)
    if asked.role not in known:
        raise Invalid({"role": f"choose from: {', '.join(known)}"})
    return sorted(known[asked.role])


def _page(found: Sequence[Share], limit: int) -> SharesAnswer:
    page = found[:limit]
    return SharesAnswer(grants=tuple(map(_view, page)), next=page[-1].id if len(found) > len(page) else None)


def _view(share: Share) -> ShareView:
    grant = share.grant
    return ShareView(
        id=share.id,
        resource=grant.resource,
        subject=grant.subject,
        action=grant.action,
        granted_by=grant.granted_by,
        created_at=share.created_at,
        expires=grant.expires,
        expired=not grant.lives(services.clock.now()),
    )


READ, WRITE = Access(scope=Scope.GRANTS_READ), Access(scope=Scope.GRANTS_WRITE)
ROUTES = (
    Route(
        "POST",
        "/grants",
        give_grants,
        WRITE,
        "Grant actions, or a role, to a person or a group; again with another end changes the end. With "
        "`dry_run` nothing is granted.",
        body=GrantRequest,
        answer=SharesAnswer,
        status=201,
    ),
    Route(
        "POST",
        "/grants/revoke",
        revoke_grants,
        WRITE,
        "Take back what somebody was granted on a thing; answers with what went.",
        body=RevokeRequest,
        answer=SharesAnswer,
    ),
    Route("DELETE", "/grants/<int:grant_id>", revoke_grant, WRITE, "Take one grant back.", status=204),
    Route(
        "GET",
        "/grants",
        grants_on,
        READ,
        "Grants on a thing, for those who may share it.",
        query=OnQuery,
        answer=SharesAnswer,
    ),
    Route("GET", "/grants/mine", my_grants, READ, "What I granted.", query=SharesQuery, answer=SharesAnswer),
    Route(
        "GET",
        "/shared-with-me",
        shared_with_me,
        READ,
        "What others granted me, or a group I am in.",
        query=SharesQuery,
        answer=SharesAnswer,
    ),
    Route("GET", "/usable", usable, READ, "Everything grants let me do.", answer=UsableAnswer),
    Route(
        "GET",
        "/explain",
        explain,
        READ,
        "Why somebody may, or may not: about me, or about others on what I may share.",
        query=ExplainQuery,
        answer=ExplainAnswer,
    ),
)
