"""Writing TOML (toml.io/en/v1.0.0), as far as settings and catalogue need it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(values: Mapping[str, Any]) -> str:
    """Return `values` as TOML; None is left out, a list of mappings becomes an array of tables."""
    return "\n".join(_table((), values)) + "\n"


def _table(path: tuple[str, ...], values: Mapping[str, Any]) -> Iterator[str]:
    plain = {k: v for k, v in values.items() if v is not None and not _nested(v)}
    yield from (f"{_key(key)} = {_value(value)}" for key, value in plain.items())
    for key, value in values.items():
        inner = (*path, key)
        header = ".".join(map(_key, inner))
        if isinstance(value, Mapping):
            yield from ("", f"[{header}]", *_table(inner, value))
        elif _nested(value):
            for one in value:
                yield from ("", f"[[{header}]]", *_table(inner, one))


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)
    )


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _scalar(key)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _scalar(str(value) if isinstance(value, Path) else value)


def _scalar(value: str | int | float) -> str:
    """JSON's strings, numbers and booleans are TOML's too, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
