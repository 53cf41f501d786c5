"""A field of an app's form, as an administrator writes it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

from .app_patterns import LONGEST_TEXT, check_pattern
from .model import Model
from .names import printable

ResourceName: TypeAlias = Literal["cpus", "memory_mb", "gpus", "time_limit_s"]
"""What a form may set of a session's Resources, in their names and units."""

Value: TypeAlias = str | int | float | bool
"""A field's value once it is checked."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(printable)]
"""A line for people."""

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}\z")]
Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
MOST = 10**12
"""The largest number a field takes, and its negative the smallest."""

Number = Annotated[StrictInt, Field(ge=-MOST, le=MOST)] | Annotated[StrictFloat, Field(ge=-MOST, le=MOST)]


class FieldType(StrEnum):
    """What a field is filled with."""

    TEXT = "text"
    NUMBER = "number"
    SELECT = "select"
    CHECKBOX = "checkbox"
    VOLUME = "volume"
    """One of the session's volumes, by its address."""

    PATH = "path"
    """A path inside the workspace."""


class Condition(Model):
    """Holds while the earlier field `field` has one of the values `in`."""

    model_config = ConfigDict(serialize_by_alias=True)

    field: FieldName
    one_of: tuple[Scalar, ...] = Field(alias="in", min_length=1, max_length=100)

    def holds(self, values: dict[str, Value]) -> bool:
        """A field that is not shown has no value. 1 and true are two values."""
        if self.field not in values:
            return False
        value = values[self.field]
        return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in self.one_of)


class Cap(Condition):
    """A lower maximum while the condition holds."""

    max: Number


class Choice(Model):
    """An option of a select field. `set`: resources that come with it."""

    value: Annotated[str, StringConstraints(max_length=200), AfterValidator(printable)]
    label: Words = ""
    set: dict[ResourceName, Annotated[StrictInt, Field(ge=0, le=MOST)]] = Field(default_factory=dict)


class FormField(Model):
    """One field. What makes no sense raises pydantic.ValidationError."""

    name: FieldName
    type: FieldType
    label: Words
    help: Words = ""
    required: bool = False
    """A checkbox: must be ticked."""

    default: Scalar | None = None
    min: Number | None = None
    max: Number | None = None
    step: Annotated[StrictInt, Field(ge=1)] | Annotated[StrictFloat, Field(ge=1e-6)] = 1
    """Of a number: it is `min` (else 0) and a multiple of this. A whole step makes whole numbers."""

    pattern: Annotated[str, StringConstraints(max_length=200), AfterValidator(check_pattern)] | None = None
    """Of a text: the whole of it must match (Python's `re`)."""

    max_length: int = Field(default=LONGEST_TEXT, ge=1, le=10_000)
    options: tuple[Choice, ...] = Field(default=(), max_length=200)
    sets: ResourceName | None = None
    times: int = Field(default=1, ge=1, le=1_000_000)
    """What one of the field is of the resource it sets: 3600 for hours, 1024 for GiB."""

    show_when: Condition | None = None
    max_when: tuple[Cap, ...] = Field(default=(), max_length=50)

    @property
    def whole(self) -> bool:
        """Whether it is a number without a fraction."""
        return isinstance(self.step, int) and not isinstance(self.min, float)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return (*self.max_when, *([self.show_when] if self.show_when else []))

    @model_validator(mode="after")
    def _for_its_type(self) -> FormField:
        """Keys of another type of field are slips of the pen."""
        defaults = type(self).model_fields
        wrong = sorted(
            key
            for key, types in _OF_TYPE.items()
            if self.type not in types and getattr(self, key) != defaults[key].get_default()
        )
        if wrong:
            raise ValueError(f"field {self.name}: a {self.type} field takes no {', '.join(wrong)}")
        return self

    @model_validator(mode="after")
    def _complete(self) -> FormField:
        for wrong, words in (
            ((self.type is FieldType.SELECT) != bool(self.options), "a select field needs options"),
            (len({one.value for one in self.options}) < len(self.options), "an option is there twice"),
            (self._may_lack_value(), f"a {self.type} field is required or has a default"),
            (self._empty_default(), "the default is empty: leave it out"),
            (self.pattern and self.max_length > LONGEST_TEXT, f"pattern needs max_length ≤ {LONGEST_TEXT}"),
            (self._sets_badly(), f"{self.sets} needs whole numbers from 0: give `min`, or such options"),
        ):
            if wrong:
                raise ValueError(f"field {self.name}: {words}")
        return self

    def _may_lack_value(self) -> bool:
        certain = self.type not in (FieldType.NUMBER, FieldType.SELECT)
        return not (certain or self.required or self.default is not None)

    def _empty_default(self) -> bool:
        allowed = self.type is FieldType.TEXT or any(one.value == "" for one in self.options)
        return self.default == "" and not allowed

    def _sets_badly(self) -> bool:
        if self.sets is None:
            return False
        if self.type is FieldType.NUMBER:
            return self.min is None or self.min < 0
        return not all(re.fullmatch(r"[0-9]{1,12}", one.value) for one in self.options)


_NUMBER = (FieldType.NUMBER,)
_TEXT = (FieldType.TEXT,)
_SELECT = (FieldType.SELECT,)
_OF_TYPE: dict[str, tuple[FieldType, ...]] = {
    "min": _NUMBER,
    "max": _NUMBER,
    "step": _NUMBER,
    "max_when": _NUMBER,
    "pattern": _TEXT,
    "max_length": _TEXT,
    "options": _SELECT,
    "sets": (*_NUMBER, *_SELECT),
    "times": (*_NUMBER, *_SELECT),
}
