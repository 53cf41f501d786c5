"""An app: what an interactive session runs, as data.

An app is a directory: `app.yml`, `start.sh`, and where wanted `save.sh`, `icon.svg`, `card.md`, which
`app_files` reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from .app_fields import FieldType, FormField, ResourceName, Value, Words
from .app_resources import AppResources
from .app_values import clean, resources_of
from .compose import Service, out_of_order
from .errors import Invalid
from .model import Model
from .names import ScriptText, Slug, printable

SECRET = "{secret}"  # noqa: S105 (where the secret goes)
"""In a header's value: the app's secret, put in by the gate."""

UrlPath = Annotated[
    str, StringConstraints(pattern=r"^/(?:[A-Za-z0-9._~%?=-][A-Za-z0-9/._~%?&=+:,;@-]{0,999})?\z")
]
"""A path with its query on the app's own origin; `//` at its begin would name another host."""

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}\z")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,498}[!-~])?\z")]
_RESERVED = {
    "host",
    "connection",
    "upgrade",
    "content-length",
    "transfer-encoding",
    "cookie",
    "te",
    "trailer",
}
_OURS = "x-sciserver-"


class Listens(StrEnum):
    """Where the app's program listens."""

    SOCKET = "socket"
    """On a unix socket."""

    PORT = "port"
    """On a TCP port of the loopback address, in a network of its own; a relay joins it to the socket."""


class Ready(Model):
    """When the app counts as ready: `path` answers with one of `statuses`, within `timeout_s`."""

    path: UrlPath = "/"
    statuses: tuple[Annotated[int, Field(ge=100, le=599)], ...] = Field(default=(200,), min_length=1)
    timeout_s: int = Field(default=120, ge=1, le=3600)


class HttpIdle(Model):
    """The app's own word on its use: `path` answers a JSON object.

    since: its key with the time of the last use (ISO 8601); busy: its key with how much is being computed,
    a number or a truth.
    """

    path: UrlPath
    since: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}\z")
    busy: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}\z")


class Idle(Model):
    """What counts as use."""

    http: HttpIdle | None = None
    traffic: bool = True
    """Bytes between the browser and the app."""

    file: bool = False
    """The app touches `~/.session/active` while it is used."""

    cpu_percent: int = Field(default=5, ge=0, le=100)
    """The job's processes use so much of one CPU or more; 0: it does not count."""


class App(Model):
    """A definition. What makes no sense raises pydantic.ValidationError."""

    name: Slug
    """Also its directory's name."""

    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}\z")
    title: Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(printable)]
    description: Words = ""
    form: tuple[FormField, ...] = Field(default=(), max_length=50)
    resources: AppResources = Field(default_factory=dict)
    ready: Ready = Ready()
    open: UrlPath = "/"
    """What the browser opens first."""

    inject: tuple[tuple[HeaderName, HeaderValue], ...] = Field(default=(), max_length=10)
    """Headers that the gate puts into each request; `{secret}` stands for the app's secret."""

    idle: Idle = Idle()
    view: bool = False
    """Whether it listens on a second socket for people who may look and not act."""

    listens: Listens = Listens.SOCKET
    port: int | None = Field(default=None, ge=1024, le=65535)
    save_s: int = Field(default=60, ge=0, le=3600)
    """How long `save` may take before the session ends."""

    tested: bool
    """Whether the project itself runs it; its card says so where it does not."""

    card: str = Field(default="", max_length=20_000)
    """What the catalogue tells of it, Markdown."""

    icon: str = Field(default="", max_length=50_000)
    """SVG, to be shown as an image: a document of its own could hold scripts."""

    start: ScriptText
    """Bash that starts the app and stays with it."""

    save: ScriptText | None = None
    """Bash that saves what is open, before the session ends."""

    services: tuple[Service, ...] = Field(default=(), max_length=10)
    """What runs beside it, in the order of their start (`compose.yml`)."""

    @model_validator(mode="after")
    def _makes_sense(self) -> App:
        found = [*self._twice(), *self._defaults(), *self._dependencies(), *self._headers(), *self._amounts()]
        found += out_of_order(self.services)
        if (self.listens is Listens.PORT) != (self.port is not None):
            found.append("`port` belongs to `listens: port`, and to nothing else")
        if found:
            raise ValueError("; ".join(found))
        return self

    def _twice(self) -> list[str]:
        names = Counter(field.name for field in self.form)
        return [f"field {name} is there twice" for name, number in names.items() if number > 1]

    def _defaults(self) -> Iterator[str]:
        for field in self.form:
            if field.default is not None:
                try:
                    clean(field, field.default, {})
                except ValueError as error:
                    yield f"field {field.name}: its default {error}"

    def _dependencies(self) -> Iterator[str]:
        """A field depends on fields before it: so there is no circle, and a form fills from top to bottom."""
        before: dict[str, FormField] = {}
        for field in self.form:
            for condition in field.conditions:
                other = before.get(condition.field)
                if other is None:
                    yield f"field {field.name} depends on {condition.field}, which is no field before it"
                else:
                    yield from (
                        f"field {field.name}: {one!r} is no value of {other.name}"
                        for one in condition.one_of
                        if not _possible(other, one)
                    )
            for cap in field.max_when:
                if not _possible(field, cap.max):
                    yield f"field {field.name}: {cap.max} in max_when is no value of its own"
            before[field.name] = field

    def _headers(self) -> Iterator[str]:
        for name, value in self.inject:
            if name.lower() in _RESERVED or name.lower().startswith(_OURS):
                yield f"inject: {name} is not for an app to set"
            if {"{", "}"} & set(value.replace(SECRET, "")):
                yield f"inject: {name} may hold {SECRET} and no other braces"

    def _amounts(self) -> Iterator[str]:
        """What the options set lies within the app's own bounds."""
        for field in self.form:
            for option in field.options:
                for name, amount in resources_of(field, option.value).items():
                    bounds = self.resources.get(name)
                    if bounds and not (bounds.min or 0) <= amount <= (bounds.max or amount):
                        yield f"field {field.name}: option {option.value} sets {name} out of the app's bounds"

    @property
    def service_images(self) -> set[str]:
        """What its services need."""
        return {one.image for one in self.services}

    def check(self, values: Mapping[str, JsonValue]) -> dict[str, Value]:
        """The values as the app gets them: of their fields' types, defaults filled in.

        A field that is not shown is not looked at and has no value. Raises Invalid with a sentence for each
        wrong field, `values.<field>`.
        """
        known = {field.name for field in self.form}
        words = "is no field of this app; check its spelling."
        problems = {f"values.{name[:64]}": words for name in values if name not in known}
        cleaned: dict[str, Value] = {}
        for field in self.form:
            if field.show_when is None or field.show_when.holds(cleaned):
                try:
                    cleaned[field.name] = clean(field, values.get(field.name), cleaned)
                except ValueError as error:
                    problems[f"values.{field.name}"] = str(error)
        if problems:
            raise Invalid(problems)
        return cleaned

    def resources_of(self, values: Mapping[str, Value]) -> dict[ResourceName, int]:
        """The resources that checked values set, in the units of Resources; of two fields the later wins."""
        found: dict[ResourceName, int] = {}
        for field in self.form:
            if field.name in values:
                found |= resources_of(field, values[field.name])
        return found

    def volumes_of(self, values: Mapping[str, Value]) -> dict[str, str]:
        """{field: address} of the volumes that checked values name: the session must have them."""
        fields = (field.name for field in self.form if field.type is FieldType.VOLUME)
        return {name: str(values[name]) for name in fields if values.get(name)}

    def headers(self, secret: str) -> list[tuple[str, str]]:
        """What the gate puts into each request."""
        return [(name, value.replace(SECRET, secret)) for name, value in self.inject]


def _possible(field: FormField, value: Value) -> bool:
    """Whether the field may have exactly this value."""
    try:
        cleaned = clean(field, value, {})
    except ValueError:
        return False
    return cleaned == value and isinstance(cleaned, bool) == isinstance(value, bool)
