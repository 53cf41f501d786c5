"""Names as they may come in from outside: short, printable, free of anything a shell, a path or a page could
misread."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str) -> str:
    """Return `text` unless it holds control characters, bidirectional marks, surrogates or unassigned ones.

    Raises ValueError naming the first such character's position.
    """
    for index, character in enumerate(text):
        if unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
            raise ValueError(f"character {index + 1} (U+{ord(character):04X}) is not printable; remove it")
    return text


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL byte; is this a text file?")
    return text


Username = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_.-]{0,31}\z")]
"""A Unix user name, `useradd`'s rule plus the dot."""

SERVICE_PREFIX = "svc:"
"""What stands before a service account's name where people are named: no user name has a colon."""

ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,27}\z")]
"""A service account's own name. With its prefix as long as a user name at most."""

ServiceCaller = Annotated[str, StringConstraints(pattern=r"^svc:[a-z][a-z0-9_.-]{0,27}\z")]
"""A service account among people: in the trail, as a giver, in a log."""

Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\z")]
"""Name of a domain, image, root volume, user volume, data volume or group: one path segment, never hidden."""

JobName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128),
    AfterValidator(printable),
]
"""A job's name for people: any printable text.

Slurm sees `slurm_safe(name)`.
"""

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 _.,%+=@-]{0,127}\z")]
"""A plain file name without directories."""

ScriptText = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000), AfterValidator(_no_nul)]
"""A script or command: 1 MB at most, any text but NUL."""

Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}\z")]
"""A job's identity in Slurm: 32 lower-case hex digits."""


def slurm_safe(name: str) -> str:
    """The part of `name` that any Slurm command prints and reads back unchanged: ASCII letters, digits,
    `._-`, ≤ 64."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return safe[:64].lstrip("-.") or "job"
