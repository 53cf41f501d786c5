"""What the buttons of a group's page do. What cannot be done is told on that page, with what was typed."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, redirect, request
from pydantic import ValidationError
from werkzeug.wrappers import Response

from sciserver_hpc.domain.access import Subject, SubjectKind
from sciserver_hpc.domain.errors import Conflict, Invalid, NotFound, Refused
from sciserver_hpc.domain.groups import Role
from sciserver_hpc.domain.problems import problems

from . import whom
from .api.access_models import GroupChange
from .errors import status_of
from .groups import PAGE, Draft, on_group, page, told
from .guard import allow, asker
from .rights import subject_of
from .services import services

bp = Blueprint("group_changes", __name__)
Answer = Response | tuple[str, int]
EXPECTED = (Invalid, Refused, Conflict)
INVITABLE = frozenset(SubjectKind) - {SubjectKind.EVERYONE}
ANSWERED_FOR = (SubjectKind.PORTAL_GROUP, SubjectKind.SERVICE)


@bp.post("/groups/<name>/describe")
@allow(PAGE)
def describe(name: str) -> Answer:
    """Other words; open to all or not."""
    fields = {
        key: request.form[key].strip() for key in ("description", "accessibility") if key in request.form
    }

    def change() -> None:
        try:
            asked = GroupChange.model_validate(fields)
        except ValidationError as error:
            raise Invalid(problems(error)) from error
        services.groups.describe(asker(), name, asked.description, asked.accessibility)

    return _do(name, change, Draft(fields))


@bp.post("/groups/<name>/invite")
@allow(PAGE)
def invite(name: str) -> Answer:
    """Look for somebody, or invite the one that is meant."""
    draft = Draft({"role": request.form.get("role", "")}, whom=whom.asked(request.form, INVITABLE))
    if request.form.get("action") == "find":
        draft.problems = {whom.TYPED: draft.whom.problem} if draft.whom.problem else {}
        return page(name, draft)
    role = Role.ADMIN if draft.fields["role"] == Role.ADMIN else Role.MEMBER
    return _do(
        name,
        lambda: services.groups.invite(asker(), name, draft.whom.subject(), role),
        draft,
        place=whom.TYPED,
    )


@bp.post("/groups/<name>/withdraw")
@allow(PAGE)
def withdraw(name: str) -> Answer:
    """Take an invitation back."""
    return _do(name, lambda: services.groups.withdraw(asker(), name, _member()))


@bp.post("/groups/<name>/accept")
@allow(PAGE)
def accept(name: str) -> Answer:
    """Come in, or let a group in that one answers for."""
    return _do(name, lambda: services.groups.accept(asker(), name, _for()))


@bp.post("/groups/<name>/decline")
@allow(PAGE)
def decline(name: str) -> Answer:
    """Stay out. The group may be unknown to the asker from now on."""
    return _do(name, lambda: services.groups.decline(asker(), name, _for()), then="/groups")


@bp.post("/groups/<name>/join")
@allow(PAGE)
def join(name: str) -> Answer:
    """Come into a public group."""
    return _do(name, lambda: services.groups.join(asker(), name))


@bp.post("/groups/<name>/leave")
@allow(PAGE)
def leave(name: str) -> Answer:
    """Go, or take a group out that one answers for."""
    return _do(name, lambda: services.groups.leave(asker(), name, _for()), then="/groups")


@bp.post("/groups/<name>/remove")
@allow(PAGE)
def remove(name: str) -> Answer:
    """Expel a member."""
    return _do(name, lambda: services.groups.remove(asker(), name, _member()))


@bp.post("/groups/<name>/role")
@allow(PAGE)
def set_role(name: str) -> Answer:
    """Promote to admin, or demote to member."""
    role = Role.ADMIN if request.form.get("role") == Role.ADMIN else Role.MEMBER
    return _do(name, lambda: services.groups.set_role(asker(), name, _member(), role))


@bp.post("/groups/<name>/transfer")
@allow(PAGE)
def transfer(name: str) -> Answer:
    """Hand the group over."""
    return _do(name, lambda: services.groups.transfer(asker(), name, _member()))


@bp.post("/groups/<name>/unix")
@allow(PAGE)
def unix(name: str) -> Answer:
    """Let it be a Unix group, or no more."""
    return _do(name, lambda: services.unix_groups.ask(asker(), name, request.form.get("on") == "1"))


@bp.post("/groups/<name>/delete")
@allow(PAGE)
def delete(name: str) -> Answer:
    """End the group, once its name was typed."""
    typed = request.form.get("confirm", "").strip()

    def change() -> None:
        if typed != name:
            raise Invalid({"confirm": f"type {name}, the group's name, to delete it"})
        services.groups.delete(asker(), name)

    return _do(name, change, Draft({"confirm": typed}), then="/groups")


def _do(
    name: str,
    change: Callable[[], object],
    draft: Draft | None = None,
    *,
    then: str = "",
    place: str = "form",
) -> Answer:
    """Change something and go on, or show the group's page with what speaks against it, at the field it names
    or at `place`. Raises NotFound."""
    on_group(name)
    try:
        change()
    except EXPECTED as error:
        shown = draft or Draft()
        shown.problems, shown.status = told(error, place), status_of(error)
        return page(name, shown)
    return redirect(then or f"/groups/{name}", 303)


def _member() -> Subject:
    """Whom a button is about. Raises NotFound."""
    return subject_of(request.form.get("member", ""))


def _for() -> Subject | None:
    """For which group or service account the asker answers; None: for themselves."""
    given = request.form.get("member", "")
    found = subject_of(given) if given else None
    if found is not None and found.kind not in ANSWERED_FOR:
        raise NotFound(
            "You answer for yourself, for groups you are an admin of, and for your service accounts."
        )
    return found
