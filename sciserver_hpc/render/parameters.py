"""A notebook's parameters as a file that JSON and YAML readers agree on.

Papermill reads the file as YAML 1.1 (PyYAML), where four things legal in JSON mean something else: a float
without a dot is a string, a surrogate pair is two characters, some control characters are refused, and three
line separators fold into a space. All four can be written so that both readers see the same value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pydantic import JsonValue

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\d.])-?\d+e[-+]?\d+')
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def parameters_text(parameters: Mapping[str, JsonValue]) -> str:
    """JSON that YAML 1.1 reads as the same values.

    Raises ValueError for NaN and infinities, which JSON lacks.
    """
    return _text(parameters, 1) + "\n"


def parameters_line(parameters: Mapping[str, JsonValue]) -> str:
    """The same on one line, without its end."""
    return _text(parameters, None)


def _text(parameters: Mapping[str, JsonValue], indent: int | None) -> str:
    text = json.dumps(dict(parameters), ensure_ascii=False, allow_nan=False, indent=indent)
    return _TOKEN.sub(_agreed, text)


def _agreed(match: re.Match[str]) -> str:
    token = match[0]
    if token.startswith('"'):
        return _UNSAFE.sub(lambda c: f"\\u{ord(c[0]):04x}", token)
    return token.replace("e", ".0e")
