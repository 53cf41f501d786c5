"""Service accounts and their tokens. Managed after a login alone: no program makes itself another."""

from __future__ import annotations

from datetime import timedelta

from flask import Response

from sciserver_hpc.domain.groups import portal_group
from sciserver_hpc.domain.service_accounts import SCOPES
from sciserver_hpc.services.service_accounts import AccountSeen

from ..guard import Access, asker, person
from ..services import services
from .models import NewTokenAnswer
from .routes import Route, body, query
from .service_account_models import (
    RotateRequest,
    ServiceAccountAnswer,
    ServiceAccountChange,
    ServiceAccountRequest,
    ServiceAccountsAnswer,
    ServiceAccountsQuery,
    ServiceAccountView,
    ServiceTokenRequest,
    ServiceTokensAnswer,
)
from .tokens import token_view


def list_service_accounts() -> ServiceAccountsAnswer:
    """Those the asker manages, or all."""
    asked, known = query(ServiceAccountsQuery), services.service_accounts
    mine = known.mine(person())
    found = known.every(person(), asked.after, asked.limit + 1) if asked.every else mine
    page = found[: asked.limit] if asked.every else found
    managed = {account.name for account in mine}
    return ServiceAccountsAnswer(
        service_accounts=tuple(
            _view(AccountSeen(account=account, mine=account.name in managed)) for account in page
        ),
        next=page[-1].name if len(found) > len(page) else None,
        longest_days=known.longest.days,
        scopes=SCOPES,
    )


def make_service_account() -> Response:
    """Make one."""
    asked = body(ServiceAccountRequest)
    owner = None if asked.group is None else portal_group(asked.group)
    account, new = services.service_accounts.create(asker(), asked.name, asked.description, owner)
    answer = _answer(AccountSeen(account=account, mine=True))
    return Response(answer.model_dump_json(), 201 if new else 200, mimetype="application/json")


def service_account(name: str) -> ServiceAccountAnswer:
    """One."""
    return _answer(services.service_accounts.get(person(), name))


def change_service_account(name: str) -> ServiceAccountAnswer:
    """Other words, on or off."""
    asked, known = body(ServiceAccountChange), services.service_accounts
    if asked.description is not None:
        known.describe(asker(), name, asked.description)
    if asked.disabled is not None:
        (known.disable if asked.disabled else known.enable)(asker(), name)
    return _answer(known.get(person(), name))


def delete_service_account(name: str) -> Response:
    """End it."""
    services.service_accounts.delete(asker(), name)
    return Response(status=204)


def service_tokens(name: str) -> ServiceTokensAnswer:
    """Its live tokens."""
    return ServiceTokensAnswer(
        tokens=tuple(map(token_view, services.service_accounts.tokens(person(), name)))
    )


def make_service_token(name: str) -> NewTokenAnswer:
    """Make a token."""
    asked = body(ServiceTokenRequest)
    secret, row = services.service_accounts.make_token(
        asker(), name, asked.name, asked.scopes, timedelta(days=asked.days)
    )
    return NewTokenAnswer(secret=secret, token=token_view(row))


def rotate_service_token(name: str, token_id: int) -> NewTokenAnswer:
    """Another secret."""
    lifetime = timedelta(days=body(RotateRequest).days)
    secret, row = services.service_accounts.rotate(asker(), name, token_id, lifetime)
    return NewTokenAnswer(secret=secret, token=token_view(row))


def revoke_service_token(name: str, token_id: int) -> Response:
    """End a token's life."""
    services.service_accounts.revoke(asker(), name, token_id)
    return Response(status=204)


def _answer(seen: AccountSeen) -> ServiceAccountAnswer:
    return ServiceAccountAnswer(service_account=_view(seen))


def _view(seen: AccountSeen) -> ServiceAccountView:
    return ServiceAccountView(**dict(seen.account), mine=seen.mine)


OWN = Access(own_login=True)
ALL, ONE = "/service-accounts", "/service-accounts/<name>"
TOKENS, TOKEN = f"{ONE}/tokens", f"{ONE}/tokens/<int:token_id>"
ROUTES = (
    Route(
        "GET",
        ALL,
        list_service_accounts,
        OWN,
        "Service accounts I manage: my own, and those of groups I am an admin of.",
        query=ServiceAccountsQuery,
        answer=ServiceAccountsAnswer,
    ),
    Route(
        "POST",
        ALL,
        make_service_account,
        OWN,
        "Make a service account: 201, or 200 when I made the same one before.",
        body=ServiceAccountRequest,
        answer=ServiceAccountAnswer,
        status=201,
    ),
    Route("GET", ONE, service_account, OWN, "One service account.", answer=ServiceAccountAnswer),
    Route(
        "PATCH",
        ONE,
        change_service_account,
        OWN,
        "Describe, disable or enable it.",
        body=ServiceAccountChange,
        answer=ServiceAccountAnswer,
    ),
    Route(
        "DELETE",
        ONE,
        delete_service_account,
        OWN,
        "End a service account, its tokens, memberships and the grants to it.",
        status=204,
    ),
    Route("GET", TOKENS, service_tokens, OWN, "Its live tokens, newest first.", answer=ServiceTokensAnswer),
    Route(
        "POST",
        TOKENS,
        make_service_token,
        OWN,
        "Make a token of it; its secret is shown this once.",
        body=ServiceTokenRequest,
        answer=NewTokenAnswer,
        status=201,
    ),
    Route(
        "POST",
        f"{TOKEN}/rotate",
        rotate_service_token,
        OWN,
        "Give a token another secret and end; the old secret is good no more.",
        body=RotateRequest,
        answer=NewTokenAnswer,
    ),
    Route("DELETE", TOKEN, revoke_service_token, OWN, "Revoke a token of it.", status=204),
)
