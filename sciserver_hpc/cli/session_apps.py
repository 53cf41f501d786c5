"""`sciserver session apps`: the apps there are, and the form of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .session_table import written
from .table import clean, show
from .verb import Verb, connect, json_option, print_json

if TYPE_CHECKING:
    from ..client import AppInfo
    from ..domain.app_fields import Condition, FormField

_OPTIONS = {"cpus": "--cpus", "memory_mb": "--mem", "time_limit_s": "--time", "gpus": "--gpus"}

_WORDS = {
    "checkbox": "true or false",
    "volume": "one of the volumes mounted (--volume)",
    "path": "a path in the workspace",
}


@click.command(
    cls=Verb,
    epilog="\b\nExamples:\n  sciserver session apps\n  sciserver session apps jupyterlab\n",
)
@click.argument("name", required=False, metavar="[APP]")
@json_option
def apps(name: str | None, as_json: bool) -> None:
    """List the apps I may start sessions of; of one APP show its form, its amounts and where it runs."""
    found = connect().apps()
    if name is not None:
        _one(_named(found, name), as_json)
    elif as_json:
        print_json(found)
    else:
        rows = ((one.name, one.version, one.title, _domains(one), one.description) for one in found)
        show(("APP", "VERSION", "TITLE", "DOMAINS", "DESCRIPTION"), rows)


def _named(found: list[AppInfo], name: str) -> AppInfo:
    from ..domain.errors import Invalid  # noqa: PLC0415

    for one in found:
        if one.name == name:
            return one
    there = ", ".join(one.name for one in found) or "none"
    raise Invalid({"APP": f"you may start no app {name!r}; there are {there}."})


def _domains(app: AppInfo) -> str:
    return ", ".join(place.domain for place in app.places)


def _one(app: AppInfo, as_json: bool) -> None:
    if as_json:
        print_json(app)
        return
    click.echo(clean(f"{app.title} {app.version}. {app.description}".rstrip()))
    if not app.tested:
        click.echo("The project's own tests do not run this app.")
    if app.form:
        click.echo()
        show(("FIELD", "TYPE", "DEFAULT", "TAKES", "MEANING"), map(_field, app.form))
    if app.resources:
        click.echo()
        show(("OPTION", "DEFAULT", "LEAST", "MOST"), _amounts(app))
    click.echo()
    show(("DOMAIN", "IMAGES"), ((place.domain, ", ".join(place.images)) for place in app.places))


def _field(field: FormField) -> tuple[object, ...]:
    default = "required" if field.required else "-" if field.default is None else written(field.default)
    meaning = f"{field.label}: {field.help}" if field.help else field.label
    return field.name, field.type.value, default, "; ".join(_takes(field)), meaning


def _takes(field: FormField) -> Iterator[str]:
    """What it may be filled with, and when it is shown."""
    kind = field.type.value
    if kind == "text":
        yield from _text(field)
    elif kind == "number":
        yield from _number(field)
    elif kind == "select":
        yield ", ".join(choice.value for choice in field.options)
    else:
        yield _WORDS[kind]
    if field.show_when:
        yield f"only when {_condition(field.show_when)}"


def _text(field: FormField) -> Iterator[str]:
    yield f"at most {field.max_length} characters"
    if field.pattern:
        yield f"all of it must match {field.pattern}"


def _number(field: FormField) -> Iterator[str]:
    if field.min is not None:
        yield f"at least {field.min}"
    if field.max is not None:
        yield f"at most {field.max}"
    yield "whole" if field.whole and field.step == 1 else f"in steps of {field.step}"
    yield from (f"at most {cap.max} when {_condition(cap)}" for cap in field.max_when)


def _condition(condition: Condition) -> str:
    return f"{condition.field} is {' or '.join(map(written, condition.one_of))}"


def _amounts(app: AppInfo) -> Iterator[tuple[object, ...]]:
    """The app's own bounds, as the options take them."""
    from ..domain.sbatch import time_text  # noqa: PLC0415

    for name, bounds in app.resources.items():
        amounts = (bounds.default, bounds.min, bounds.max)
        unit = {"memory_mb": "{}M".format, "time_limit_s": time_text}.get(name, str)
        yield _OPTIONS[name], *("-" if one is None else unit(one) for one in amounts)
