"""Lists of rights: what is shared with me, what I share, what is the site's; and taking one back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from sciserver_hpc.domain.access import GIVEN_BY, Action, Grant, Resource, ResourceKind, owner_of
from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.sharing import Share

from . import redirects
from .guard import Access, allow, asker, person, powers
from .services import services

bp = Blueprint("shares", __name__)
PAGE = Access(page=True)
PER_PAGE = 50
RUNS = (ResourceKind.JOB, ResourceKind.SESSION)
Key = TypeVar("Key", bound=Hashable)


@bp.get("/sharing")
@allow(PAGE)
def with_me() -> str:
    """What others granted me or a group I am in; not what I gave a group of mine."""
    me = person().username
    found = services.sharing.with_me(person(), page_after(), PER_PAGE + 1)
    return _listed("sharing_with.html", found, lambda g: me not in (g.granted_by, owner_of(g.resource)))


@bp.get("/sharing/mine")
@allow(PAGE)
def by_me() -> str:
    """What I granted."""
    return _listed("sharing_mine.html", services.sharing.by_me(person(), page_after(), PER_PAGE + 1))


@bp.app_template_global()
def gives_for_the_site() -> bool:
    """Does who asks give rights to any of the site's things?"""
    return person().admin or not powers().isdisjoint(Power(power) for power in GIVEN_BY.values())


@bp.get("/sharing/site")
@allow(PAGE)
def of_the_site() -> str:
    """What is the site's, for its administrators."""
    return render_template("sharing_site.html", things=services.sharing.of_the_site(person()))


@bp.post("/sharing/<int:share_id>/revoke")
@allow(PAGE)
def revoke(share_id: int) -> Response:
    """Take one grant back, or give back what one got."""
    services.sharing.revoke_one(asker(), share_id)
    return redirect(redirects.local(request.form.get("back")), 303)


def jobs_named(things: Iterable[Resource]) -> dict[Resource, Job]:
    """The jobs and sessions among these that the asker may read, by what they are as things."""
    wanted = {one: int(one.name) for one in things if one.kind in RUNS and one.name.isdecimal()}
    found: dict[Resource, Job] = {}
    for kind, look in (
        (ResourceKind.JOB, services.jobs.readable),
        (ResourceKind.SESSION, services.sessions.visible),
    ):
        numbers = {one: number for one, number in wanted.items() if one.kind is kind}
        there = look(person(), sorted(set(numbers.values()))) if numbers else {}
        found |= {one: there[number] for one, number in numbers.items() if number in there}
    return found


def grouped(shares: Sequence[Share], key: Callable[[Grant], Key]) -> list[tuple[Key, list[Share]]]:
    """Those of one key together, rights in the order in which their kind lists them."""
    found: dict[Key, list[Share]] = {}
    for share in shares:
        found.setdefault(key(share.grant), []).append(share)
    for group in found.values():
        group.sort(key=lambda share: (list(Action).index(share.grant.action), share.id))
    return list(found.items())


def _listed(template: str, found: Sequence[Share], wanted: Callable[[Grant], bool] = lambda _: True) -> str:
    page = found[:PER_PAGE]
    shown = [share for share in page if wanted(share.grant)]
    return render_template(
        template,
        groups=grouped(shown, lambda grant: (grant.resource, grant.subject)),
        after=page[-1].id if len(found) > PER_PAGE else None,
        jobs=jobs_named(share.grant.resource for share in shown),
        now=services.clock.now(),
    )


def page_after() -> int:
    """After which grant the page that is asked for begins."""
    return max(0, min(request.args.get("after", 0, type=int), 2**63 - 1))
