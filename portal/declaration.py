"""Pages of the site's declaration: a part of it, one entry with its form, and what a change would make."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from sciserver_hpc.domain.catalogue import ImageDraft, Site
from sciserver_hpc.domain.entry_fields import read
from sciserver_hpc.domain.errors import Conflict, Invalid, NotFound, Refused, SciServerError
from sciserver_hpc.domain.sections import PARTS, Disable, Edit, Entry, Put, Remove, Section, key

from .declaration_form import LEGENDS, NOTES, Form, blank, command_of, fixed, given, groups, shown_texts
from .errors import status_of
from .guard import Access, allow, asker, person
from .services import services

bp = Blueprint("declaration", __name__)
PAGE = Access(page=True, own_login=True)
Answer = Response | tuple[str, int]
EXPECTED = (Invalid, Refused, Conflict)


@bp.get("/admin/<section>")
@allow(PAGE)
def table(section: str) -> str:
    """One part: its entries. Raises NotFound, Refused."""
    part = section_named(section)
    found = services.administering.entries(person(), part)
    return render_template(
        "admin_section.html",
        section=part,
        entries=found,
        site=services.administering.site(person()),
        measures=groups(part, Site(), Form(), ())["measures"] if part is Section.LIMITS else (),
        gone=request.args.get("gone", "")[:330],
    )


@bp.get("/admin/new/<section>")
@allow(PAGE)
def form(section: str) -> Answer:
    """The form of a new entry. Raises NotFound, Refused."""
    part = section_named(section)
    services.administering.entries(person(), part)
    return _form(part, None, Form(blank(part)))


@bp.post("/admin/new/<section>")
@allow(PAGE)
def add(section: str) -> Answer:
    """Show what it would add, or add it. Raises NotFound, Refused."""
    part = section_named(section)
    services.administering.entries(person(), part)
    return _step(part, None)


@bp.get("/admin/<section>/<path:name>")
@allow(PAGE)
def show(section: str, name: str) -> Answer:
    """One entry and its form. Raises NotFound, Refused."""
    part = section_named(section)
    entry = services.administering.entry(person(), part, name)
    return _form(part, entry, Form(shown_texts(entry), saved="saved" in request.args))


@bp.post("/admin/<section>/<path:name>")
@allow(PAGE)
def change(section: str, name: str) -> Answer:
    """Show what would change, or change it. Raises NotFound, Refused."""
    part = section_named(section)
    return _step(part, services.administering.entry(person(), part, name))


def section_named(name: str) -> Section:
    """A part of the declaration as a URL names it. Raises NotFound."""
    try:
        return Section(name)
    except ValueError as error:
        raise NotFound("There is no such part of the site’s declaration.") from error


def _step(section: Section, entry: Entry | None) -> Answer:
    """From the form to what it would change, to that saved; back to the form where something is wrong."""
    site = services.administering.site(person())
    removing = request.form.get("act") in ("remove", "disable")
    texts = shown_texts(entry) if entry and removing else given(section, entry, request.form, site)
    draft = Form(texts)
    if request.form.get("step") == "back":
        return _form(section, entry, draft)
    try:
        edit = _edit(section, entry, draft)
        if request.form.get("step") != "save":
            return _review(section, entry, draft, edit)
        services.administering.save(asker(), edit, request.form.get("seen", ""))
    except EXPECTED as error:
        draft.problems, draft.status = _told(error), status_of(error)
        return _form(section, entry, draft)
    if isinstance(edit, Remove):
        return redirect(url_for("declaration.table", section=section, gone=edit.name), 303)
    name = edit.name if isinstance(edit, Disable) else key(edit.entry)
    return redirect(url_for("declaration.show", section=section, name=name, saved=1), 303)


def _edit(section: Section, entry: Entry | None, draft: Form) -> Edit:
    """What the form asks for. Raises Invalid with a sentence per field."""
    act = request.form.get("act")
    if entry and act == "remove":
        return Remove(section, key(entry))
    if entry and act == "disable":
        return Disable(section, key(entry))
    made = read(PARTS[section].form, draft.texts)
    if isinstance(made, ImageDraft):
        made = services.administering.entered(person(), made)
    return Put(made, new=entry is None)  # type: ignore[arg-type]


def _told(error: SciServerError) -> dict[str, str]:
    """Each problem under the field it belongs to, or over the form."""
    if not isinstance(error, Invalid):
        return {"form": str(error)}
    return {("form" if field == "request" else field): text for field, text in error.problems.items()}


def _form(section: Section, entry: Entry | None, draft: Form) -> tuple[str, int]:
    site = services.administering.site(person())
    page = render_template(
        "admin_entry.html",
        section=section,
        entry=entry,
        name=key(entry) if entry else "",
        form=draft,
        groups=groups(section, site, draft, list(services.settings.clusters)),
        fixed=fixed(section) if entry else (),
        site=site,
        LEGENDS=LEGENDS,
        NOTES=NOTES,
    )
    return page, draft.status


def _review(section: Section, entry: Entry | None, draft: Form, edit: Edit) -> tuple[str, int]:
    """What it would change, to be agreed to. Raises Refused, Invalid, Conflict."""
    proposal = services.administering.propose(person(), edit)
    page = render_template(
        "admin_review.html",
        section=section,
        name=key(entry) if entry else "",
        form=draft,
        act=request.form.get("act", "set"),
        sent=[(name, text) for name, text in request.form.items(multi=True) if name not in _OURS],
        proposal=proposal,
        command=command_of(edit, entry),
    )
    return page, 200


_OURS = frozenset({"csrf_token", "step", "seen", "act"})
"""Fields of the form that are not the entry's."""
