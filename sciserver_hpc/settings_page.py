"""The settings as pages for people: the reference (all that can be set) and the effective configuration."""

from __future__ import annotations

import json
import sys
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .settings import Settings

_HEAD = """\
# Settings

One TOML file: the one the variable `SCISERVER_CONFIG` names, else `/etc/sciserver/sciserver.toml`. Each field
can also be set by the environment, which wins: `SCISERVER_<SECTION>__<FIELD>`, as in
`SCISERVER_DATABASE__URL=sqlite:////tmp/try.db`. Secrets stand in files of their own, which a `*_file` field
names; the services refuse to start when such a file is missing, empty, a known default, too short, or
readable by others.

This page is printed by `python -m sciserver_hpc.settings_page`.
"""


def reference() -> str:
    """The reference page, Markdown."""
    sections = [_section(name, field) for name, field in Settings.model_fields.items()]
    return "\n".join([_HEAD, *sections])


def show(settings: Settings) -> str:
    """The effective configuration as TOML. Secrets are in files, so only the files' names appear."""
    lines: list[str] = []
    for name, value in settings.model_dump(mode="json").items():
        tables = (
            {f"{name}.{key}": table for key, table in value.items()} if name == "clusters" else {name: value}
        )
        for title, table in tables.items():
            lines += [f"[{title}]", *(f"{key} = {_toml(item)}" for key, item in table.items()), ""]
    return "\n".join(lines)


def _section(name: str, field: FieldInfo) -> str:
    model = _model(field.annotation)
    title = f"{name}.<name>" if get_origin(field.annotation) is dict else name
    doc = (model.__doc__ or "").strip()
    head = f"## [{title}]\n\n{doc}\n\n| field | default | meaning |\n|---|---|---|\n"
    return head + "".join(_row(key, item) for key, item in model.model_fields.items())


def _model(annotation: Any) -> type[BaseModel]:
    """The section's model, also where it is the value type of a dict of sections."""
    model = get_args(annotation)[1] if get_origin(annotation) is dict else annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"{annotation} is no section")
    return model


def _row(name: str, field: FieldInfo) -> str:
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{name}` | {_default(field)} | {meaning} |\n"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "(must be set)"
    value = field.default
    plain = isinstance(value, bool | int | float | tuple) or value is None
    return f"`{_toml(value if plain else str(value))}`"


def _toml(value: Any) -> str:
    """TOML's and JSON's basic values are written alike; TOML has no null, an unset path is ""."""
    return json.dumps("" if value is None else value, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(reference())
