"""The gate as one program text: a file of the job folder (see `sciserver_hpc.gate`)."""

from __future__ import annotations

import ast
from functools import cache
from importlib.resources import files as resources

MODULES = (
    "head",
    "settings",
    "body",
    "connections",
    "relay",
    "app",
    "usage",
    "activity",
    "record",
    "ending",
    "control",
    "door",
    "server",
    "main",
)
"""Each behind those it imports from."""


@cache
def program() -> str:
    """The modules one behind the other, in one namespace."""
    parts = ["from __future__ import annotations\n"]
    for name in MODULES:
        text = resources("sciserver_hpc.gate").joinpath(f"{name}.py").read_text(encoding="utf-8")
        parts.append(f"# {name}\n{_alone(text)}")
    return "\n".join(parts)


def _alone(text: str) -> str:
    """A module without its imports of the others."""
    lines = text.splitlines(keepends=True)
    for node in reversed(ast.parse(text).body):
        if isinstance(node, ast.ImportFrom) and (node.level or node.module == "__future__"):
            del lines[node.lineno - 1 : node.end_lineno]
    return "".join(lines)
