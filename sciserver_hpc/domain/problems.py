"""What pydantic finds wrong with a model, in sentences per field."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_BY_FIELD = {
    "domain": "letters, digits and ._- only; `sciserver domains` lists those there are",
    "image": "letters, digits and ._- only; `sciserver images` lists those there are",
    "filename": "a plain file name: letters, digits, spaces and _.,%+=@-",
    "stdout": "a plain file name: letters, digits, spaces and _.,%+=@-",
    "stderr": "a plain file name: letters, digits, spaces and _.,%+=@-",
    "name": "letters, digits and ._- only, a letter or digit first, 64 at most",
    "partition": "a partition of Slurm: letters, digits and ._- only",
    "version": "a version, as in 1.2: letters, digits and _.+- only",
    "path": "an absolute path",
    "sha256": "64 hexadecimal digits in lower case",
    "volume": "<Root>/<owner>/<name>, or a data volume's name",
}
_BY_KIND = {
    "missing": "is required",
    "extra_forbidden": "is no known field; check its spelling",
    "string_too_short": "is empty",
    "int_parsing": "is no whole number",
    "string_too_long": "has more than {max_length} characters",
}


def problems(error: ValidationError) -> dict[str, str]:
    """Return {dotted field: sentence}; the field is `request` for what concerns the whole."""
    return {
        ".".join(map(str, found["loc"])) or "request": _sentence(found)
        for found in error.errors(include_url=False, include_input=False)
    }


def _sentence(found: ErrorDetails) -> str:
    kind, field = found["type"], str(found["loc"][-1]) if found["loc"] else ""
    if kind == "string_pattern_mismatch" and field in _BY_FIELD:
        return f"must be {_BY_FIELD[field]}."
    if kind in _BY_KIND:
        return f"{_BY_KIND[kind].format(**found.get('ctx', {}))}."
    text = found["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return text if text.endswith("?") else f"{text}."
