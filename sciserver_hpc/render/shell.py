"""Values as bash reads them: the one place where anything is quoted."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def assign(name: str, value: str | int) -> str:
    """The line that gives variable `name` exactly `value`, whatever it holds."""
    return f"readonly {name}={shlex.quote(str(value))}"


def assign_list(name: str, values: Iterable[str]) -> str:
    """The line that makes `name` an array of exactly `values`."""
    return f"readonly -a {name}=({' '.join(shlex.quote(value) for value in values)})"
