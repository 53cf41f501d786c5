"""What a person filled into a field: is it right, and what does it mean?

Numbers and ticks may come as text, since an HTML form sends nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

from pydantic import JsonValue, ValidationError

from .app_fields import MOST, FieldType, FormField, ResourceName, Value
from .names import printable
from .volumes import WORKSPACE, VolumeMount

_EMPTY: dict[FieldType, Value] = {
    FieldType.TEXT: "",
    FieldType.CHECKBOX: False,
    FieldType.VOLUME: "",
    FieldType.PATH: "",
}
"""The value of a field that nobody has to fill."""

_DECIMAL = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,12})?")
LONGEST_PATH = 1000


def clean(field: FormField, given: JsonValue, values: dict[str, Value]) -> Value:
    """The value of `field`, of its own type; `values`: those of the fields before it.

    Raises ValueError with a sentence.
    """
    if given is None or (given == "" and field.type is not FieldType.TEXT and not _is_option(field, "")):
        return _unfilled(field, values)
    if field.type is FieldType.TEXT and given == "":
        return _unfilled(field, values) if field.required else ""
    value = _CLEANERS[field.type](field, given, values)
    if field.required and field.type is FieldType.CHECKBOX and not value:
        raise ValueError("must be ticked.")
    return value


def _unfilled(field: FormField, values: dict[str, Value]) -> Value:
    """The default, lowered to the maximum of the moment."""
    if field.default is not None and not (field.default == "" and field.type is FieldType.TEXT):
        default, most = field.default, largest(field, values)
        lowered = min(default, most) if field.type is FieldType.NUMBER else default
        return clean(field, lowered, values)
    if field.required:
        raise ValueError("must be ticked." if field.type is FieldType.CHECKBOX else "is required.")
    return _EMPTY[field.type]


def largest(field: FormField, values: dict[str, Value]) -> int | float:
    """The most a number field takes while the fields before it have `values`."""
    caps = [cap.max for cap in field.max_when if cap.holds(values)]
    return min([MOST if field.max is None else field.max, *caps])


def _text(field: FormField, given: JsonValue, _: dict[str, Value]) -> str:
    text = _line(given, field.max_length)
    if field.pattern is not None and not re.fullmatch(field.pattern, text):
        raise ValueError(f"must match {field.pattern}")
    return text


def _line(given: JsonValue, longest: int) -> str:
    if not isinstance(given, str):
        raise ValueError("must be text.")
    if len(given) > longest:
        raise ValueError(f"has more than {longest} characters.")
    return printable(given)


def _number(field: FormField, given: JsonValue, values: dict[str, Value]) -> int | float:
    number = _read_number(given)
    least, most = -MOST if field.min is None else field.min, largest(field, values)
    if number < least:
        raise ValueError(f"must be at least {least}.")
    if number > most:
        raise ValueError(f"must be at most {most}.")
    exact, start, step = (Fraction(str(one)) for one in (number, field.min or 0, field.step))
    if (exact - start) % step:
        words = (
            "must be a whole number."
            if field.step == 1 and field.whole
            else f"must go in steps of {field.step}."
        )
        raise ValueError(words)
    return int(number) if field.whole else float(number)


def _read_number(given: JsonValue) -> int | float:
    """A float that is none (NaN, infinity) or is too large to mean anything is no number."""
    if isinstance(given, str) and _DECIMAL.fullmatch(given.strip()):
        given = float(given) if "." in given else int(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("must be a number.")
    if isinstance(given, float) and not math.isfinite(given):
        raise ValueError("must be a number.")
    return given


def _select(field: FormField, given: JsonValue, _: dict[str, Value]) -> str:
    if not isinstance(given, str) or not _is_option(field, given):
        raise ValueError(f"must be one of: {', '.join(one.value for one in field.options)}.")
    return given


def _is_option(field: FormField, text: str) -> bool:
    return any(one.value == text for one in field.options)


def _checkbox(_: FormField, given: JsonValue, __: dict[str, Value]) -> bool:
    if isinstance(given, bool):
        return given
    if given in ("true", "false"):
        return given == "true"
    raise ValueError("must be true or false.")


def _volume(_: FormField, given: JsonValue, __: dict[str, Value]) -> str:
    try:
        return VolumeMount(volume=_line(given, LONGEST_PATH)).volume
    except ValidationError:
        raise ValueError("must be <Root>/<owner>/<name>, or a data volume's name.") from None


def _path(_: FormField, given: JsonValue, __: dict[str, Value]) -> str:
    """An absolute path; a relative one counts from the workspace."""
    path = _line(given, LONGEST_PATH)
    inside = path.removeprefix(WORKSPACE) if path == WORKSPACE or path.startswith(f"{WORKSPACE}/") else path
    if path.startswith("/") and inside is path:
        raise ValueError(f"must be inside {WORKSPACE}.")
    parts = [part for part in inside.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise ValueError("must not hold . or .. as a part.")
    return "/".join([WORKSPACE, *parts])


_CLEANERS: dict[FieldType, Callable[[FormField, JsonValue, dict[str, Value]], Value]] = {
    FieldType.TEXT: _text,
    FieldType.NUMBER: _number,
    FieldType.SELECT: _select,
    FieldType.CHECKBOX: _checkbox,
    FieldType.VOLUME: _volume,
    FieldType.PATH: _path,
}


def resources_of(field: FormField, value: Value) -> dict[ResourceName, int]:
    """The resources that a checked value sets; a part of one counts whole."""
    option = next((one for one in field.options if one.value == value), None)
    found: dict[ResourceName, int] = dict(option.set) if option else {}
    if field.sets:
        found[field.sets] = math.ceil(Fraction(str(value)) * field.times)
    return found
