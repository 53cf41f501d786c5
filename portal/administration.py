"""Pages for administrators: what stands how, the people, the declaration as a file; each as far as one has
the power."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, render_template, request, url_for
from flask_login import current_user

from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.catalogue import Site
from sciserver_hpc.domain.declaration import written
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.sections import PARTS, Section, key
from sciserver_hpc.services.administering import PEOPLE_SHOWN

from .guard import Access, allow, person, powers, support_session
from .services import services

bp = Blueprint("administration", __name__)
PAGE = Access(page=True, own_login=True)
TITLES = {
    Section.DOMAINS: "Domains",
    Section.IMAGES: "Images",
    Section.VOLUMES: "Data volumes",
    Section.ROOTS: "Root volumes",
    Section.LIMITS: "Limits",
}
LONGEST_PREFIX = 64


def init_app(app: Flask) -> None:
    """Offer what the pages share to templates."""
    app.jinja_env.globals.update(
        administers=administers, tabs=tabs, TITLES=TITLES, PARTS=PARTS, key_of=key, domains_with=domains_with
    )


def administers() -> bool:
    """Is there anything here for who is logged in? No while they look as another, or the database is away."""
    if not current_user.is_authenticated or support_session() is not None:
        return False
    try:
        return bool(tabs())
    except Unavailable:
        return False


def tabs() -> list[tuple[str, str, str]]:
    """Key, title and address of each page that the asker may open, but the overview."""
    mine = [section for section, part in PARTS.items() if part.power in powers()]
    found = [(str(one), TITLES[one], url_for("declaration.table", section=one)) for one in mine]
    return [*found, ("people", "People", "/admin/people")] if Power.MANAGE_GROUPS in powers() else found


def domains_with(site: Site, field: str, name: str) -> list[str]:
    """The domains that name `name` among their images or volumes."""
    return [domain.name for domain in site.domains if name in getattr(domain, field)]


@bp.get("/admin")
@allow(PAGE)
def overview() -> str:
    """What there is of each part, and what looks wrong. Raises Refused."""
    found = services.administering.overview(person())
    return render_template("admin.html", counts=found.counts, attention=found.attention)


@bp.get("/admin/people")
@allow(PAGE)
def people() -> str:
    """People whose name starts so. Raises Refused."""
    asked = request.args.get("q", "").strip()[:LONGEST_PREFIX]
    found = services.administering.people(person(), asked)
    return render_template(
        "admin_people.html", asked=asked, found=found[:PEOPLE_SHOWN], more=len(found) > PEOPLE_SHOWN
    )


@bp.get("/admin/export")
@allow(PAGE)
def export() -> Response:
    """The declaration as it stands, as `sciserver-hpc db apply` takes it. Raises Refused."""
    response = Response(written(services.administering.site(person())), mimetype="application/toml")
    response.headers["Content-Disposition"] = 'attachment; filename="site.toml"'
    return response
