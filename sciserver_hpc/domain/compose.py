"""Services beside an app, from a singularity-compose file: the part of its format that a job can keep.

A service is an image of the catalogue and a command, in bash. It is no instance of Apptainer's: it runs
inside the session's own job and ends with it (docs/decisions/0014-sessions.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from .model import Model
from .names import ScriptText, Slug

ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}\z")]

_IMAGES = "an image is one of the catalogue, by its name"
_SOCKETS = "services have no network; let them talk through unix sockets in $app_folder"
_FOLDERS = "a service sees the session's home and volumes, as the app does, and nothing else"
_COMMAND = "what a service runs stands in `exec: {command: …}`"
_NOT_HERE = {
    "build": _IMAGES,
    "network": _SOCKETS,
    "ports": _SOCKETS,
    "volumes": _FOLDERS,
    "volumes_from": _FOLDERS,
    "start": _COMMAND,
    "run": _COMMAND,
    "post": _COMMAND,
    "deploy": "there is one of each service",
}
"""Keys of the format that are refused, and why."""


class Service(Model):
    """A program that runs beside the app."""

    name: ServiceName
    image: Slug
    """A name in the catalogue: never a path or an address."""

    command: ScriptText
    """Bash that starts it, makes the file $service_ready once others may use it, and stays with it."""

    depends_on: tuple[ServiceName, ...] = Field(default=(), max_length=10)


class _Exec(Model):
    command: ScriptText


class _Instance(Model):
    image: Slug
    exec: _Exec
    depends_on: tuple[ServiceName, ...] = Field(default=(), max_length=10)


class _File(Model):
    version: str
    instances: dict[ServiceName, _Instance] = Field(min_length=1, max_length=10)


def services_of(document: Mapping[str, Any]) -> tuple[Service, ...]:
    """The services, in the order of their start: what one depends on comes before it, else as written.

    Raises ValueError, of which pydantic.ValidationError is one, where the file asks for something else.
    """
    if refused := "; ".join(_refused(document.get("instances"))):
        raise ValueError(refused)
    file = _File.model_validate(document)
    return _ordered(
        [
            Service(name=name, image=one.image, command=one.exec.command, depends_on=one.depends_on)
            for name, one in file.instances.items()
        ]
    )


def _refused(instances: object) -> Iterator[str]:
    """What the format knows and a session does not."""
    for name, one in instances.items() if isinstance(instances, dict) else ():
        for key in one if isinstance(one, dict) else ():
            if key in _NOT_HERE:
                yield f"instances.{name}.{key}: {_NOT_HERE[key]}"


def _ordered(services: list[Service]) -> tuple[Service, ...]:
    found: dict[str, Service] = {}
    names = {one.name for one in services}
    for one in services:
        for other in one.depends_on:
            if other not in names:
                raise ValueError(f"instances.{one.name} depends on {other}, which is not there")
    left = list(services)
    while left:
        following = next((one for one in left if found.keys() >= set(one.depends_on)), None)
        if following is None:
            raise ValueError(f"{' and '.join(one.name for one in left)} wait for each other for ever")
        found[following.name] = following
        left.remove(following)
    return tuple(found.values())


def out_of_order(services: tuple[Service, ...]) -> Iterator[str]:
    """What keeps these from being started one after another."""
    before: set[str] = set()
    for one in services:
        if one.name in before:
            yield f"service {one.name} is there twice"
        yield from (f"service {one.name} depends on {o}, which is no service before it"
                    for o in one.depends_on if o not in before)  # fmt: skip
        before.add(one.name)
