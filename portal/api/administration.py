"""The site's declaration, part by part, for those who look after it: with a login's own token only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flask import Response

from sciserver_hpc.domain.catalogue import ImageDraft
from sciserver_hpc.domain.declaration import written
from sciserver_hpc.domain.errors import Conflict, Invalid
from sciserver_hpc.domain.model import Model
from sciserver_hpc.domain.sections import PARTS, Disable, Edit, Entry, Put, Remove, Section, canonical, key

from ..guard import Access, asker, person
from ..services import services
from .administration_models import ANSWERS, ChangeAnswer, ChangeQuery
from .routes import Route, body, query

View = Callable[..., Any]
OWN = Access(own_login=True)
TOML = "application/toml"


def export_site() -> Response:
    """The declaration as a file."""
    return Response(written(services.administering.site(person())), mimetype=TOML)


def _routes(section: Section) -> tuple[Route, ...]:
    """The verbs of one part."""
    one, noun = f"/admin/{section}/<path:name>", PARTS[section].noun
    many, single = ANSWERS[section]

    def entries() -> Model:
        return many.model_validate({"entries": services.administering.entries(person(), section)})

    def show(name: str) -> Model:
        return single.model_validate({"entry": services.administering.entry(person(), section, name)})

    def set_(name: str) -> ChangeAnswer:
        services.administering.entries(person(), section)
        asked = body(PARTS[section].form)
        made = services.administering.entered(person(), asked) if isinstance(asked, ImageDraft) else asked
        entry = cast(Entry, made)
        if key(entry) != canonical(section, name):
            raise Invalid({"name": f"the address names {name}, the body {key(entry)}"})
        return _change(Put(entry))

    def remove(name: str) -> ChangeAnswer:
        return _change(Remove(section, name))

    def disable(name: str) -> ChangeAnswer:
        return _change(Disable(section, name))

    def route(verb: str, method: str, rule: str, view: View, summary: str, **more: Any) -> Route:
        view.__name__ = f"admin_{verb}_{section}"
        return Route(method, rule, view, OWN, summary, **more)

    change: dict[str, Any] = {"query": ChangeQuery, "answer": ChangeAnswer}
    put = f"Add or change a {noun}; `diff=true` only tells what would change."
    found = (
        route("list", "GET", f"/admin/{section}", entries, f"Every {noun}.", answer=many),
        route("show", "GET", one, show, f"One {noun}.", answer=single),
        route("set", "PUT", one, set_, put, body=PARTS[section].form, **change),
        route("remove", "DELETE", one, remove, f"Remove a {noun}, with what names it.", **change),
    )
    if section is Section.LIMITS:
        return found
    at, summary = f"/admin/{section}/<name>/disable", f"Offer a {noun} to nobody, and keep it."
    return (*found, route("disable", "POST", at, disable, summary, **change))


def _change(edit: Edit) -> ChangeAnswer:
    """Make an edit, or tell what it would change."""
    asked = query(ChangeQuery)
    proposal = services.administering.propose(person(), edit)
    if asked.seen and asked.seen != proposal.mark:
        raise Conflict("It would change something else by now; look at the difference again.")
    if not asked.diff:
        services.administering.save(asker(), edit, proposal.mark)
    return ChangeAnswer(
        differences=proposal.differences, notes=proposal.notes, mark=proposal.mark, saved=not asked.diff
    )


ROUTES = (
    *(route for section in Section for route in _routes(section)),
    Route("GET", "/admin/export", export_site, OWN, "The declaration as `db apply` takes it.", media=TOML),
)
