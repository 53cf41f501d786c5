"""Patterns of form fields: those that Python's `re` answers quickly, whatever text they are given.

`re` tries all ways to match, one after the other. A repeat within a repeat (`(a+)+`) takes time that doubles
with each character, so it is refused; a few repeats in a row take time that a cap on the text bounds.
"""

from __future__ import annotations

import re
from itertools import pairwise

MOST_REPEATS = 3
LONGEST_TEXT = 200
"""Characters that are compared with a pattern at most."""

_CLASS = r"\[\^?\]?(?:\\.|[^\]\\])*\]"
_PART = re.compile(rf"{_CLASS}|\\.|\((?:\?:)?|\)|\{{[0-9,]+\}}|.", re.DOTALL)
_REPEATS = ("*", "+", "{")
_BACKREFERENCE = re.compile(r"\\[1-9]")


def check_pattern(pattern: str) -> str:
    """Return `pattern`. Raises ValueError when it does not compile or could take long."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"the pattern does not compile: {error}") from error
    parts = _PART.findall(pattern)
    if ("(", "?") in pairwise(parts):
        raise ValueError("a pattern's groups are ( ) or (?: ), nothing else that begins with (?")
    if any(map(_BACKREFERENCE.fullmatch, parts)):
        raise ValueError("a pattern may not refer back to its groups")
    if sum(map(_repeats, parts)) > MOST_REPEATS:
        raise ValueError(f"a pattern may have {MOST_REPEATS} repeats (*, +, {{ }}) at most")
    if _nested(parts):
        raise ValueError(
            "a pattern may not repeat a group that holds a repeat, ? or |: it could take for ever"
        )
    return pattern


def _repeats(part: str) -> bool:
    return part.startswith(_REPEATS)


def _nested(parts: list[str]) -> bool:
    """Whether a repeated group holds something that may match in several ways."""
    ways = [False]
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        if part.startswith("("):
            ways.append(False)
        elif part == ")":
            inner = ways.pop()
            if inner and _repeats(after):
                return True
            ways[-1] = ways[-1] or inner
        elif _repeats(part) or part in ("?", "|"):
            ways[-1] = True
    return False
