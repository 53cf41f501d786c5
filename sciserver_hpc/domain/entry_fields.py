"""The fields of a declaration's entry as texts, for forms and command lines; made from its model."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from .errors import Invalid
from .model import Model
from .problems import problems
from .sbatch import seconds, time_text

M = TypeVar("M", bound=Model)


class Shape(StrEnum):
    """How a field is written."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    """As sbatch writes times."""
    FLAG = "flag"
    CHOICE = "choice"
    LIST = "list"


@dataclass(frozen=True)
class EntryField:
    """name: dotted, as in a problem; required: may not be empty; nullable: empty means None, else the model's
    own default; default: that, as a text; choices: of a CHOICE; least: of a NUMBER."""

    name: str
    shape: Shape
    required: bool
    nullable: bool
    choices: tuple[str, ...]
    least: int | None
    default: str


def fields(model: type[BaseModel], before: str = "") -> Iterator[EntryField]:
    """Every field, those of models within with a dot."""
    for name, info in model.model_fields.items():
        inner, nullable = _plain(info.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from fields(inner, f"{before}{name}.")
        else:
            yield _field(f"{before}{name}", inner, info, nullable)


def texts(entry: Model) -> dict[str, str]:
    """Every field of `entry` as `read` reads it."""
    return {field.name: _written(field.shape, _at(entry, field.name)) for field in fields(type(entry))}


def assignments(given: Iterable[tuple[str, str]]) -> list[str]:
    """Fields with their texts as a command line has them: `images=python,r`."""
    return [f"{name}={text.replace(', ', ',')}" for name, text in given]


def read(model: type[M], given: Mapping[str, str]) -> M:
    """The entry that the texts say. Raises Invalid with a sentence per field."""
    known = {field.name: field for field in fields(model)}
    found = {
        name: f"there is no such field; there are {', '.join(known)}." for name in given if name not in known
    }
    values: dict[str, Any] = {}
    for name in known.keys() & given.keys():
        try:
            _put(values, known[name], given[name].strip())
        except ValueError as error:
            found[name] = f"{error}."
    try:
        entry = model.model_validate(values)
    except ValidationError as error:
        raise Invalid(
            {_owner(known, name): text for name, text in problems(error).items()} | found
        ) from error
    if found:
        raise Invalid(found)
    return entry


def _field(name: str, inner: Any, info: FieldInfo, nullable: bool) -> EntryField:
    choices: tuple[str, ...] = ()
    if inner is bool:
        shape = Shape.FLAG
    elif isinstance(inner, type) and issubclass(inner, Enum):
        shape, choices = Shape.CHOICE, tuple(str(one.value) for one in inner)
    elif get_origin(inner) is tuple:
        shape = Shape.LIST
    elif inner is int:
        shape = Shape.TIME if name.endswith("_s") else Shape.NUMBER
    else:
        shape = Shape.TEXT
    least = next((one.ge for one in info.metadata if isinstance(getattr(one, "ge", None), int)), None)
    default = "" if info.is_required() else _written(shape, info.default)
    return EntryField(name, shape, info.is_required(), nullable, choices, least, default)


def _plain(annotation: Any) -> tuple[Any, bool]:
    """The type without None and constraints, and whether None will do."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        (inner,) = (one for one in get_args(annotation) if one is not type(None))
        return _plain(inner)[0], True
    return annotation, False


def _put(values: dict[str, Any], field: EntryField, text: str) -> None:
    """Into the nested `values`; an empty text is None, or left to the model. Raises ValueError."""
    *outer, name = field.name.split(".")
    for part in outer:
        values = values.setdefault(part, {})
    if field.shape is Shape.LIST:
        values[name] = text.replace(",", " ").split()
    elif not text:
        if field.nullable:
            values[name] = None
    else:
        values[name] = seconds(text) if field.shape is Shape.TIME else text


def _at(entry: Model, name: str) -> Any:
    value: Any = entry
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _written(shape: Shape, value: Any) -> str:
    if value is None:
        return ""
    if shape is Shape.LIST:
        return ", ".join(value)
    if shape is Shape.FLAG:
        return "true" if value else "false"
    return time_text(value) if shape is Shape.TIME else str(value)


def _owner(known: Mapping[str, EntryField], name: str) -> str:
    """The field a problem is about: a list's for one of its items."""
    while name not in known and "." in name:
        name = name.rpartition(".")[0]
    return name
