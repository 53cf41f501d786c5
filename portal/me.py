"""The person's own page: who they are here, their tokens, and the service accounts they manage."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, redirect, render_template, request
from pydantic import ValidationError
from werkzeug.wrappers import Response

from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.domain.tokens import Scope

from .api.models import TokenRequest
from .errors import status_of
from .guard import Access, allow, person, token
from .services import services

bp = Blueprint("me", __name__)
PAGE = Access(page=True, own_login=True)
SCOPE_WORDS = {
    Scope.JOBS_READ: "See my jobs and logs",
    Scope.JOBS_WRITE: "Submit and cancel jobs",
    Scope.FILES_READ: "Read my results",
    Scope.FILES_WRITE: "Change my files",
    Scope.GROUPS_READ: "See my groups and invitations",
    Scope.GROUPS_WRITE: "Change my groups and memberships",
    Scope.GRANTS_READ: "See what I share, what is shared with me, and the audit trail",
    Scope.GRANTS_WRITE: "Share and stop sharing",
}


@bp.get("/me")
@allow(PAGE)
def me() -> str:
    """Who I am, and my tokens."""
    return _show()


@bp.post("/me/tokens")
@allow(PAGE)
def make_token() -> str | tuple[str, int]:
    """Make a token; its secret is on the answered page and nowhere else."""
    form = {key: request.form.get(key, "") for key in ("name", "days")}
    try:
        asked = TokenRequest.model_validate(form | {"scopes": request.form.getlist("scopes")})
    except ValidationError as error:
        wrong = Invalid(problems(error))
        return _show(problems=wrong.problems, form=form), status_of(wrong)
    secret, _ = services.login.personal_token(
        person(), asked.name, frozenset(asked.scopes), timedelta(days=asked.days)
    )
    return _show(secret=secret, made=asked.name)


@bp.post("/me/tokens/<int:token_id>/revoke")
@allow(PAGE)
def revoke_token(token_id: int) -> Response:
    """End a token's life."""
    services.login.revoke(person(), token_id)
    return redirect("/me", 303)


def _show(**more: object) -> str:
    shown = {"problems": {}, "form": {}} | more
    return render_template(
        "me.html",
        person=person(),
        tokens=services.login.tokens(person()),
        this=token(),
        scopes=SCOPE_WORDS,
        accounts=services.service_accounts.mine(person()),
        **shown,
    )
