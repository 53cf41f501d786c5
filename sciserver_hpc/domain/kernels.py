"""Which kernel of an image runs a notebook: pure rules over the notebook's own metadata."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_LANGUAGES = {"ir": "r", "xpython": "python", "bash": "shell", "matlab_kernel": "matlab"}
"""Kernel names that do not begin with their language's name."""


def wanted(document: dict[str, Any]) -> tuple[str, str]:
    """The kernel's name and the language (lower case) a notebook asks for; "" where it does not say.

    See nbformat's metadata.kernelspec and metadata.language_info. The document is hostile input.
    """
    metadata = _table(document.get("metadata"))
    kernelspec, info = _table(metadata.get("kernelspec")), _table(metadata.get("language_info"))
    name = _text(kernelspec.get("name"))
    language = (
        _text(kernelspec.get("language")) or _text(info.get("name")) or (language_of(name) if name else "")
    )
    return name, language.lower()


def choose(document: dict[str, Any], kernels: Sequence[str]) -> str | None:
    """The kernel out of an image's `kernels` to run the notebook with: the one it names, else the first of
    its language, else the first when it asks for nothing.

    None when the image has none that fits.
    """
    name, language = wanted(document)
    if name in kernels:
        return name
    if not language:
        return kernels[0] if kernels and not name else None
    return next((kernel for kernel in kernels if language_of(kernel) == language), None)


def language_of(kernel: str) -> str:
    """The language of a kernel by its name: `python3` and `python-3.11` → python, `ir` → r."""
    known = _LANGUAGES.get(kernel.lower())
    return known or re.split(r"[-_.0-9]", kernel.lower(), maxsplit=1)[0]


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """Without halves of characters, which JSON can tell and no page."""
    return value[:64].encode("utf-8", "replace").decode() if isinstance(value, str) else ""
