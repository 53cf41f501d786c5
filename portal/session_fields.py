"""The new-session form's fields and the request they stand for, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sciserver_hpc.domain.app_fields import FieldType, FormField, ResourceName
from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.sessions import SessionRequest

from .job_fields import SHOWN_AT, VOLUME, number, resource_fields, volumes

VALUE = "values."
"""Prefix of a field of the app's own form."""

PLACE = "place"
"""The field of domain and image, as `domain/image`."""

AMOUNTS: dict[ResourceName, tuple[str, ...]] = {
    "cpus": ("cpus",),
    "memory_mb": ("memory_gb",),
    "gpus": ("gpus",),
    "time_limit_s": ("hours", "minutes"),
}
"""Resource → the form's fields that say how much of it."""


def set_by(app: App) -> dict[ResourceName, str]:
    """Resource → the field of the app's own form that sets it; who fills that is not asked for more."""
    found: dict[ResourceName, str] = {}
    for field in app.form:
        sets = {name for option in field.options for name in option.set} | ({field.sets} - {None})
        found |= {name: field.name for name in sets if name}
    return found


def to_request(app: App, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what SessionRequest.model_validate takes. Raises Invalid for text that is no number."""
    domain, _, image = fields.get(PLACE, "").partition("/")
    wanted: dict[str, Any] = {"app": app.name, "volumes": volumes(fields)}
    wanted["values"] = {field.name: _value(field, fields) for field in app.form if _given(field, fields)}
    wanted |= {key: text for key, text in (("domain", domain), ("image", image)) if text}
    wanted |= {"name": name} if (name := fields.get("name", "").strip()) else {}
    resources = _resources(app, fields)
    return wanted | ({"resources": resources} if resources else {})


def from_request(asked: SessionRequest) -> dict[str, str]:
    """The fields that stand for `asked`."""
    fields = {f"{VALUE}{name}": _text(value) for name, value in asked.values.items()}
    fields |= {f"{VOLUME}{mount.volume}": str(mount.mode) for mount in asked.volumes}
    fields |= {"name": asked.name} if asked.name else {}
    if asked.domain:
        fields[PLACE] = f"{asked.domain}/{asked.image or ''}"
    if asked.resources:
        wanted = asked.resources.model_dump()
        shown = resource_fields(wanted)
        given = asked.resources.model_fields_set
        fields |= {key: shown[key] for name, keys in AMOUNTS.items() if name in given for key in keys}
    return fields


def field_of(app: App, path: str) -> str:
    """Where a problem of the request's field `path` is shown; `form` where it has no field."""
    head, _, tail = path.partition(".")
    if head == "values" and any(field.name == tail for field in app.form):
        return path
    if head == "resources" and tail in AMOUNTS:
        by_form = {str(name): field for name, field in set_by(app).items()}
        return f"{VALUE}{by_form[tail]}" if tail in by_form else SHOWN_AT.get(tail, tail)
    shown = {"domain": PLACE, "image": PLACE, "volumes": "volumes", "name": "name", "preset": "preset"}
    return shown.get(head, "form")


def _given(field: FormField, fields: Mapping[str, str]) -> bool:
    """A box that is not ticked sends nothing, and means no."""
    return field.type is FieldType.CHECKBOX or f"{VALUE}{field.name}" in fields


def _value(field: FormField, fields: Mapping[str, str]) -> str:
    text = fields.get(f"{VALUE}{field.name}", "")
    if field.type is FieldType.CHECKBOX:
        return "true" if text == "true" else "false"
    return text


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _resources(app: App, fields: Mapping[str, str]) -> dict[str, int]:
    """What is filled in; what is left empty means the app's or the domain's usual."""
    found: dict[str, int] = {}
    asked = {name: keys for name, keys in AMOUNTS.items() if name not in set_by(app)}
    given = {name for name, keys in asked.items() if any(fields.get(key, "").strip() for key in keys)}
    if "time_limit_s" in given:
        found["time_limit_s"] = int(number(fields, "hours", 0) * 3600 + number(fields, "minutes", 0) * 60)
    if "memory_mb" in given:
        found["memory_mb"] = round(number(fields, "memory_gb", 1) * 1024)
    found |= {name: int(number(fields, name, 1)) for name in ("cpus", "gpus") if name in given}
    return found
