"""The sharing page of one thing: who may do what with it, and the form to give more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from sciserver_hpc.domain.access import (
    ACTIONS,
    GIVEN_BY,
    OF_THE_SITE,
    Action,
    Resource,
    ResourceKind,
    SubjectKind,
    owner_of,
)
from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.applied import Applied
from sciserver_hpc.domain.errors import Invalid, NotFound, Refused
from sciserver_hpc.domain.sharing import Share
from sciserver_hpc.services.disk import Disk, GrantOnDisk

from . import whom
from .errors import status_of
from .guard import Access, allow, asker, person, powers
from .rights import SHAREABLE, command, thing, value_of
from .services import services
from .shares import grouped, jobs_named, page_after
from .whom import Whom

bp = Blueprint("sharing", __name__)
PAGE = Access(page=True)
PER_PAGE = 200
"""Grants on one thing that its page shows."""

FIELD_OF = {"actions": "right", "expires": "until", "subject": whom.TYPED}
"""A problem's name in the service → the field where it is shown."""


@dataclass
class Draft:
    """What stands in the form now: who, the rights ticked, the last day; and what is wrong with them."""

    whom: Whom = field(default_factory=Whom)
    rights: tuple[str, ...] = ()
    until: str = ""
    problems: dict[str, str] = field(default_factory=dict)
    status: int = 200
    preview: tuple[dict[str, object], ...] = ()
    command: str = ""


@bp.get("/share/<kind>/<path:name>")
@allow(PAGE)
def dialog(kind: str, name: str) -> tuple[str, int]:
    """Who may do what with one thing, and the form to give more."""
    return _show(_thing(kind, name), Draft())


@bp.post("/share/<kind>/<path:name>")
@allow(PAGE)
def give(kind: str, name: str) -> Response | tuple[str, int]:
    """Look for somebody, tell what would happen, or give. What was typed stays when something is wrong."""
    resource = _thing(kind, name)
    services.sharing.need(person(), Action.GRANT, resource)
    draft = _typed(resource.kind)
    if request.form.get("action") == "find":
        draft.problems = {whom.TYPED: draft.whom.problem} if draft.whom.problem else {}
        return _show(resource, draft)
    try:
        given = _give(resource, draft, dry_run=request.form.get("action") != "give")
    except (Invalid, Refused) as error:
        draft.problems, draft.status = _beside_fields(error), status_of(error)
        return _show(resource, draft)
    if request.form.get("action") == "give":
        return redirect(request.path, 303)
    draft.preview = _compared(resource, given)
    end = given[0].grant.expires
    until = ("--until", end.isoformat(timespec="minutes")) if end else ()
    subject = given[0].grant.subject
    draft.command = command("sciserver", "share", "give", resource, subject, *draft.rights, *until)
    return _show(resource, draft)


def _thing(kind: str, name: str) -> Resource:
    """A thing that has a sharing page. Raises NotFound."""
    resource = thing(kind, name)
    if resource.kind not in SHAREABLE:
        raise NotFound("There is nothing of that kind to share.")
    return resource


def _typed(kind: ResourceKind) -> Draft:
    found = whom.asked(request.form, _kinds(kind))
    return Draft(
        found, tuple(dict.fromkeys(request.form.getlist("right"))), request.form.get("until", "").strip()
    )


def _kinds(kind: ResourceKind) -> frozenset[SubjectKind]:
    """Whom one may share such a thing with: with everyone only administrators; see `empowered`."""
    if kind is ResourceKind.SITE:
        return frozenset({SubjectKind.USER, SubjectKind.GROUP})
    power = GIVEN_BY.get(kind)
    widely = person().admin or (power is not None and Power(power) in powers())
    return frozenset(SubjectKind) if widely else frozenset(SubjectKind) - {SubjectKind.EVERYONE}


def _give(resource: Resource, draft: Draft, *, dry_run: bool) -> list[Share]:
    """Raises Invalid naming every field that is wrong, Refused."""
    problems: dict[str, str] = {}
    try:
        subject = draft.whom.subject()
    except Invalid as error:
        problems |= error.problems
    if not draft.rights or not set(draft.rights) <= set(ACTIONS[resource.kind]):
        problems["right"] = "choose what they may do"
    try:
        expires = _end(draft.until)
    except ValueError:
        problems["until"] = "write a day, as in 2026-01-31"
    if problems:
        raise Invalid(problems)
    return services.sharing.give(
        asker(), resource, subject, map(Action, draft.rights), expires, dry_run=dry_run
    )


def _end(day: str) -> datetime | None:
    """The end of a day, UTC. Raises ValueError."""
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC)
    except OverflowError as error:
        raise ValueError(day) from error


def _beside_fields(error: Invalid | Refused) -> dict[str, str]:
    """Each problem under the name of the field it belongs to."""
    if isinstance(error, Invalid):
        return {FIELD_OF.get(name, name): text for name, text in error.problems.items()}
    found: dict[str, list[str]] = {}
    for item, reason in error.items.items():
        place = "right" if item.partition(" ")[0] in set(Action) else whom.TYPED
        found.setdefault(place, []).append(f"{item}: {reason}")
    return {place: "; ".join(texts) for place, texts in found.items()}


def _compared(resource: Resource, given: Sequence[Share]) -> tuple[dict[str, object], ...]:
    """What would be granted, each with what the same person granted of it already."""
    there = {
        (share.grant.subject, share.grant.action, share.grant.granted_by): share.grant
        for share in services.sharing.between(person(), resource, given[0].grant.subject)
    }
    grants = [share.grant for share in given]
    return tuple(
        {"grant": one, "before": there.get((one.subject, one.action, one.granted_by))} for one in grants
    )


def _told_apart(disk: Disk) -> dict[int, GrantOnDisk]:
    """By grant, what its own state on disk is, where that is not the volume's."""
    same = (disk.volume.state, disk.volume.sentence)
    return {
        one.id: one
        for one in disk.grants
        if (one.state, one.sentence) != same and one.state is not Applied.APPLIED
    }


def _show(resource: Resource, draft: Draft) -> tuple[str, int]:
    after = page_after()
    found = services.sharing.on(person(), resource, after, PER_PAGE + 1)
    page = found[:PER_PAGE]
    job, volume = jobs_named([resource]).get(resource), resource.kind is ResourceKind.USER_VOLUME
    disk = services.disks.of(person(), resource, after, PER_PAGE) if volume else None
    owner = owner_of(resource) or (job.owner if job else "")
    shown = render_template(
        "share.html",
        thing=resource,
        job=job,
        owner=owner,
        of_the_site=resource.kind in OF_THE_SITE,
        groups=sorted(grouped(page, lambda grant: grant.subject), key=lambda one: value_of(one[0])),
        after=after,
        next=page[-1].id if len(found) > len(page) else None,
        actions=ACTIONS[resource.kind],
        disk=disk.volume if disk else None,
        on_disk=_told_apart(disk) if disk else {},
        draft=draft,
        now=services.clock.now(),
    )
    return shown, draft.status
