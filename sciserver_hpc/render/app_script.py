"""A session's start script: its values, quoted, above the app's own text."""

from __future__ import annotations

from collections.abc import Mapping

from ..domain.app_fields import Value
from .shell import assign

VARIABLES = (
    "app_socket",
    "app_view_socket",
    "app_secret_file",
    "app_origin",
    "app_folder",
    "app_port",
)
"""What every script finds beside its values: where to listen for people who act and, empty where the app has
no such socket, for those who look on; the file with the app's secret; the browser's origin; the directory of
the sockets; the port, empty unless the app listens on one."""

VALUE_PREFIX = "value_"
"""So a field's name is never one of bash's own variables."""


def app_script(app_text: str, values: Mapping[str, Value], variables: Mapping[str, str]) -> str:
    """The whole script. A field that was not shown has no variable.

    `variables`: a value for each of VARIABLES that is not empty. Raises ValueError for others.
    """
    strange = set(variables) - set(VARIABLES)
    if strange:
        raise ValueError(f"no variable of an app: {', '.join(sorted(strange))}")
    return _script(app_text, values, {name: variables.get(name, "") for name in VARIABLES})


def service_script(command: str, values: Mapping[str, Value], folder: str, ready: str) -> str:
    """The script of a service beside an app, which knows the app's values. `folder`: the directory of the
    sockets; `ready`: the file it makes once others may use it."""
    return _script(command, values, {"app_folder": folder, "service_ready": ready})


def _script(text: str, values: Mapping[str, Value], variables: Mapping[str, str]) -> str:
    head = [assign(f"{VALUE_PREFIX}{name}", _word(value)) for name, value in values.items()]
    head += [assign(name, value) for name, value in variables.items()]
    return "#!/bin/bash\n" + "\n".join(head) + "\n" + text


def _word(value: Value) -> str:
    """A tick is `true` or `false`, which bash has as commands."""
    return str(value).lower() if isinstance(value, bool) else str(value)
