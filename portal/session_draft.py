"""The new-session form as it is shown: what was typed over what is usual, within what the places give."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import render_template, request

from sciserver_hpc.domain.app_fields import Condition
from sciserver_hpc.domain.app_resources import AppResources, ranges
from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.catalogue import ComputeDomain, Image
from sciserver_hpc.domain.volumes import Mode

from .guard import person
from .job_fields import VOLUME, resource_fields
from .notebook import markdown_html
from .services import services
from .session_fields import AMOUNTS, PLACE, VALUE, set_by


@dataclass
class Draft:
    """What stands in an app's form now, and what is wrong with it."""

    app: App
    fields: dict[str, str]
    problems: dict[str, str] = field(default_factory=dict)
    status: int = 200
    preview: dict[str, Any] | None = None
    told: str = ""


def first_time(app: App) -> Draft:
    """The form of who has not started this app yet: with their usual volumes, where all places have them."""
    roots = [set(domain.root_volumes) for domain, _ in services.sessions.places(person(), app)]
    usual = services.catalogue.usual_volumes(person())
    mounted = [one for one in usual if all(one.partition("/")[0] in offered for offered in roots)]
    return Draft(app, {f"{VOLUME}{volume}": str(Mode.READ_WRITE) for volume in mounted})


def conditions(several: Iterable[Condition]) -> list[dict[str, Any]]:
    """Conditions and caps as the form's script reads them."""
    return [one.model_dump(mode="json") for one in several]


def bounds_of_fields(bounds: AppResources) -> dict[str, dict[str, float | None]]:
    """A domain's ranges by field of the form; the time's by its hours alone."""
    units = {"memory_mb": 1024, "time_limit_s": 3600}
    found: dict[str, dict[str, float | None]] = {}
    for name, one in bounds.items():
        unit, most = units.get(name, 1), one.max
        least = (one.min or 0) / unit if name != "time_limit_s" else 0
        found[AMOUNTS[name][0]] = {"min": least, "max": None if most is None else most / unit}
    return found


def show(draft: Draft) -> tuple[str, int]:
    """The page of an app's form, with its status."""
    app = draft.app
    places = services.sessions.places(person(), app)
    bounds = {domain.name: ranges(app.resources, domain.limits, domain.defaults) for domain, _ in places}
    fields = _fields(draft, _chosen(places, draft.fields.get(PLACE, "")), bounds)
    page = render_template(
        "session_new.html",
        app=app,
        card=markdown_html(app.card),
        draft=draft,
        fields=fields,
        ticked=_ticked(draft, fields),
        places=places,
        bounds=bounds,
        amounts={name: keys for name, keys in AMOUNTS.items() if name not in set_by(app)},
        set_by=set_by(app),
        labels={one.name: one.label for one in app.form},
        volumes=services.catalogue.volumes(person()),
        presets=services.sessions.presets(person(), app.name),
    )
    return page, draft.status


def _fields(
    draft: Draft, chosen: tuple[ComputeDomain, Image] | None, bounds: Mapping[str, AppResources]
) -> dict[str, str]:
    """What was typed, and what is usual for the rest."""
    usual = {f"{VALUE}{one.name}": _text(one.default) for one in draft.app.form if one.default is not None}
    place = ""
    if chosen:
        given = {str(name): one.default or 0 for name, one in bounds[chosen[0].name].items()}
        usual |= resource_fields(given)
        place = f"{chosen[0].name}/{chosen[1].name}"
    return {"key": secrets.token_hex(8)} | usual | draft.fields | {PLACE: place}


def _ticked(draft: Draft, fields: Mapping[str, str]) -> set[str]:
    """The boxes that are ticked: as typed, since one that is not sends nothing; else as is usual."""
    given = draft.fields if request.method == "POST" else fields
    return {key for key, text in given.items() if key.startswith(VALUE) and text == "true"}


def _chosen(
    places: list[tuple[ComputeDomain, list[Image]]], place: str
) -> tuple[ComputeDomain, Image] | None:
    """The place typed, where it is offered; else the first of its domain; else the first of all."""
    all_of = [(domain, image) for domain, images in places for image in images]
    domain_name, _, image_name = place.partition("/")
    of_domain = [one for one in all_of if one[0].name == domain_name]
    exact = [one for one in of_domain if one[1].name == image_name]
    return next(iter([*exact, *of_domain, *all_of]), None)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
