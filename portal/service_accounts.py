"""Pages of service accounts: a new one, and one with its tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from flask import Blueprint, redirect, render_template, request
from pydantic import BaseModel, ValidationError
from werkzeug.wrappers import Response

from sciserver_hpc.domain.errors import Conflict, Invalid, Refused
from sciserver_hpc.domain.groups import portal_group
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.domain.tokens import Scope

from .api.service_account_models import (
    RotateRequest,
    ServiceAccountChange,
    ServiceAccountRequest,
    ServiceTokenRequest,
)
from .errors import status_of
from .groups import told
from .guard import Access, allow, asker, person
from .services import services

bp = Blueprint("service_accounts", __name__)
PAGE = Access(page=True, own_login=True)
ACTIVITY = 8
SCOPE_WORDS = {
    Scope.JOBS_READ: "See the jobs shared with it, and their logs",
    Scope.FILES_READ: "Read their results",
    Scope.GROUPS_READ: "See its groups and invitations",
    Scope.GROUPS_WRITE: "Answer invitations, join public groups, leave",
    Scope.GRANTS_READ: "See what is shared with it, and its audit trail",
    Scope.GRANTS_WRITE: "Share on what it may give to others",
}
"""What each means for a service account, as it may have them."""

EXPECTED = (Invalid, Refused, Conflict)
Answer = Response | tuple[str, int]
Asked = TypeVar("Asked", bound=BaseModel)


@dataclass
class Draft:
    """What stands in a page's forms: as typed, what is wrong with it; a secret that was just made."""

    fields: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    status: int = 200
    made: str = ""
    secret: str = ""


@bp.get("/new/service-account")
@allow(PAGE)
def blank() -> Answer:
    """The form of a new one."""
    return _new(Draft())


@bp.post("/new/service-account")
@allow(PAGE)
def make() -> Answer:
    """Make it, or say beside its fields what is wrong."""
    draft = Draft(_typed("name", "description", "group"))
    try:
        asked = _read(ServiceAccountRequest, draft.fields | {"group": draft.fields["group"] or None})
        owner = portal_group(asked.group) if asked.group else None
        account, _ = services.service_accounts.create(asker(), asked.name, asked.description, owner)
    except EXPECTED as error:
        draft.problems, draft.status = told(error, "name"), status_of(error)
        return _new(draft)
    return redirect(f"/service-accounts/{account.name}", 303)


@bp.get("/service-accounts/<name>")
@allow(PAGE)
def show(name: str) -> Answer:
    """One: its tokens, what it may use, what was done with and by it."""
    return _page(name, Draft())


@bp.post("/service-accounts/<name>/describe")
@allow(PAGE)
def describe(name: str) -> Answer:
    """Other words."""
    draft = Draft(_typed("description"))

    def change() -> None:
        asked = _read(ServiceAccountChange, draft.fields)
        services.service_accounts.describe(asker(), name, asked.description or "")

    return _do(name, change, draft)


@bp.post("/service-accounts/<name>/disable")
@allow(PAGE)
def disable(name: str) -> Answer:
    """Stop its tokens."""
    return _do(name, lambda: services.service_accounts.disable(asker(), name))


@bp.post("/service-accounts/<name>/enable")
@allow(PAGE)
def enable(name: str) -> Answer:
    """Let its tokens be good again."""
    return _do(name, lambda: services.service_accounts.enable(asker(), name))


@bp.post("/service-accounts/<name>/delete")
@allow(PAGE)
def delete(name: str) -> Answer:
    """End it, once its name was typed."""
    draft = Draft(_typed("confirm"))

    def change() -> None:
        if draft.fields["confirm"] != name:
            raise Invalid({"confirm": f"type {name}, the account's name, to delete it"})
        services.service_accounts.delete(asker(), name)

    return _do(name, change, draft, then="/me")


@bp.post("/service-accounts/<name>/tokens")
@allow(PAGE)
def make_token(name: str) -> Answer:
    """Make a token; its secret is on the answered page and nowhere else."""
    draft = Draft(_typed("name", "days"), scopes=tuple(request.form.getlist("scopes")))
    try:
        asked = _read(ServiceTokenRequest, draft.fields | {"scopes": draft.scopes})
        secret, token = services.service_accounts.make_token(
            asker(), name, asked.name, asked.scopes, timedelta(days=asked.days)
        )
    except EXPECTED as error:
        return _refused(name, draft, error, "name")
    return _page(name, Draft(made=token.name, secret=secret))


@bp.post("/service-accounts/<name>/tokens/<int:token_id>/rotate")
@allow(PAGE)
def rotate(name: str, token_id: int) -> Answer:
    """Another secret, which is on the answered page and nowhere else."""
    try:
        asked = _read(RotateRequest, _typed("days"))
        secret, token = services.service_accounts.rotate(asker(), name, token_id, timedelta(days=asked.days))
    except EXPECTED as error:
        return _refused(name, Draft(), error, "form")
    return _page(name, Draft(made=token.name, secret=secret))


@bp.post("/service-accounts/<name>/tokens/<int:token_id>/revoke")
@allow(PAGE)
def revoke(name: str, token_id: int) -> Answer:
    """End a token's life."""
    return _do(name, lambda: services.service_accounts.revoke(asker(), name, token_id))


def _new(draft: Draft) -> tuple[str, int]:
    groups = [group.name for group in services.service_accounts.groups(person())]
    return render_template("service_account_new.html", draft=draft, groups=groups), draft.status


def _page(name: str, draft: Draft) -> tuple[str, int]:
    """An account's page. Raises NotFound."""
    known = services.service_accounts
    seen = known.get(person(), name)
    this = seen.account.resource
    groups, grants = known.standing(person(), name)
    shown = render_template(
        "service_account.html",
        account=seen.account,
        mine=seen.mine,
        tokens=known.tokens(person(), name),
        groups=groups,
        grants=grants,
        activity=services.audit.entries(person(), this, limit=ACTIVITY),
        thing=this,
        scopes=SCOPE_WORDS,
        longest=known.longest.days,
        draft=draft,
    )
    return shown, draft.status


def _do(name: str, change: Callable[[], object], draft: Draft | None = None, *, then: str = "") -> Answer:
    """Change something and go on, or show the page with what speaks against it. Raises NotFound."""
    try:
        change()
    except EXPECTED as error:
        return _refused(name, draft or Draft(), error, "form")
    return redirect(then or f"/service-accounts/{name}", 303)


def _refused(name: str, draft: Draft, error: Invalid | Refused | Conflict, place: str) -> Answer:
    draft.problems, draft.status = told(error, place), status_of(error)
    if "lifetime" in draft.problems:
        draft.problems["days"] = draft.problems.pop("lifetime")
    return _page(name, draft)


def _typed(*names: str) -> dict[str, str]:
    return {name: request.form.get(name, "").strip() for name in names}


def _read(model: type[Asked], fields: object) -> Asked:
    """Raises Invalid."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise Invalid(problems(error)) from error
