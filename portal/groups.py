"""Pages of groups: those there are, a new one, one with its members."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import Blueprint, redirect, render_template, request
from pydantic import ValidationError
from werkzeug.wrappers import Response

from sciserver_hpc.domain.access import Resource, ResourceKind, Subject
from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.errors import Conflict, Invalid, NotFound, SciServerError, Unavailable
from sciserver_hpc.domain.groups import Group, Membership, Role, Source
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.services.groups import GroupSeen

from .api.access_models import GroupRequest
from .errors import status_of
from .guard import Access, allow, asker, person, powers
from .rights import subject_of, thing
from .services import services
from .whom import TYPED, Whom

bp = Blueprint("groups", __name__)
PAGE = Access(page=True)
PER_PAGE = 50
ACTIVITY = 8
"""Lines of the trail on a group's page; the trail's own page has the rest."""

MOST_GRANTS = 100


@dataclass
class Draft:
    """What stands in a page's forms: as typed, what is wrong with it, whom an invitation is for."""

    fields: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    status: int = 200
    whom: Whom = field(default_factory=Whom)


@bp.get("/groups")
@allow(PAGE)
def table() -> str:
    """Mine, invitations to answer, and public ones to join."""
    after = request.args.get("after", "")[:64]
    found = services.groups.public(after, PER_PAGE + 1)
    mine = services.groups.mine(person())
    inside = {seen.group.name for seen in mine if seen.group.source is Source.PORTAL}
    return render_template(
        "groups.html",
        portal=[seen for seen in mine if seen.group.source is Source.PORTAL],
        directory=[seen for seen in mine if seen.group.source is Source.DIRECTORY],
        invited=services.groups.invited(person()),
        public=[group for group in found[:PER_PAGE] if group.name not in inside],
        after=after,
        next=found[PER_PAGE - 1].name if len(found) > PER_PAGE else None,
    )


@bp.get("/new/group")
@allow(PAGE)
def blank() -> tuple[str, int]:
    """The form of a new group. Not below /groups, where any name may stand."""
    return _new(Draft())


@bp.post("/new/group")
@allow(PAGE)
def make() -> Response | tuple[str, int]:
    """Make it, or say beside its fields what is wrong."""
    draft = Draft(
        {key: request.form.get(key, "").strip() for key in ("name", "description", "accessibility")}
    )
    try:
        asked = _request(draft.fields)
        group, _ = services.groups.create(asker(), asked.name, asked.description, asked.accessibility)
    except Invalid as error:
        draft.problems, draft.status = error.problems, status_of(error)
    except (Conflict, Unavailable) as error:
        draft.problems, draft.status = {"name": str(error)}, status_of(error)
    else:
        return redirect(f"/groups/{group.name}", 303)
    return _new(draft)


@bp.get("/groups/<name>")
@allow(PAGE)
def show(name: str) -> tuple[str, int]:
    """One group: who is in, what it may do, what was done with it."""
    return page(name, Draft())


def page(name: str, draft: Draft) -> tuple[str, int]:
    """A group's page with what stands in its forms. Raises NotFound."""
    this = on_group(name)
    seen = services.groups.get(person(), name)
    steward = Power.MANAGE_GROUPS in powers()
    admin = steward or seen.role in (Role.ADMIN, Role.OWNER)
    members, after = _members(seen) if seen.member or steward else ([], None)
    shown = render_template(
        "group.html",
        group=seen.group,
        role=seen.role,
        member=seen.member,
        admin=admin,
        owner=steward or seen.role is Role.OWNER,
        steward=steward,
        invited=[one for one in services.groups.invited(person()) if one.group == name],
        members=members,
        programs=services.service_accounts.owners(one.member for one in members),
        after=after,
        invitations=services.groups.invitations(person(), name) if admin else [],
        activity=services.audit.entries(person(), this, limit=ACTIVITY) if admin else [],
        draft=draft,
        thing=this,
        unix_offered=services.unix_groups.offered,
        **_standing(seen.group, seen),
    )
    return shown, draft.status


def on_group(name: str) -> Resource:
    """The group as a thing. Raises NotFound for what can be no group's name."""
    return thing(ResourceKind.GROUP, name)


def told(error: SciServerError, place: str) -> dict[str, str]:
    """What an error says, under the fields it names, else at `place`."""
    if isinstance(error, Invalid):
        return {(TYPED if name == "member" else name): text for name, text in error.problems.items()}
    return {place: str(error)}


def _request(fields: dict[str, str]) -> GroupRequest:
    try:
        return GroupRequest.model_validate({key: value for key, value in fields.items() if value})
    except ValidationError as error:
        raise Invalid(problems(error)) from error


def _new(draft: Draft) -> tuple[str, int]:
    return render_template("group_new.html", draft=draft), draft.status


def _standing(group: Group, seen: GroupSeen) -> dict[str, object]:
    """What the group is in, and what that gives its members; nothing for those who are not."""
    if not (seen.member or Power.MANAGE_GROUPS in powers()):
        return {"above": [], "granted": [], "more": 0, "unix": None}
    found = services.sharing.to_group(person(), group.subject)
    return {
        "above": services.groups.above(person(), group.name),
        "granted": found[:MOST_GRANTS],
        "more": max(0, len(found) - MOST_GRANTS),
        "unix": services.unix_groups.of(person(), group.name),
    }


def _members(seen: GroupSeen) -> tuple[list[Membership], Subject | None]:
    """A page of members, and after whom the next one begins."""
    after = _after()
    found = services.groups.members(person(), seen.group.name, after, PER_PAGE + 1)
    shown = found[:PER_PAGE]
    return shown, shown[-1].member if len(found) > PER_PAGE else None


def _after() -> Subject | None:
    """After whom this page of members begins; at the start when the URL says nothing sensible."""
    try:
        return subject_of(request.args["after"]) if "after" in request.args else None
    except NotFound:
        return None
