"""What an app lets a session ask of the cluster, within what the compute domain gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import get_args

from pydantic import Field, model_validator

from .app_fields import ResourceName
from .model import Model
from .resources import Limits, Resources, duration

NAMES: tuple[ResourceName, ...] = get_args(ResourceName)
_UNITS = {"cpus": "CPUs", "memory_mb": "MB of memory", "gpus": "GPUs"}


class Range(Model):
    """An app's bounds of one resource, in the units of Resources; None where the domain's count."""

    default: int | None = Field(default=None, ge=0)
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        there = [one for one in (self.min, self.default, self.max) if one is not None]
        if there != sorted(there):
            raise ValueError("min, default and max must stand in this order")
        return self


AppResources = dict[ResourceName, Range]


def ranges(wanted: AppResources, limits: Limits, defaults: Resources) -> AppResources:
    """What the form offers in a domain with `limits` and `defaults`: never more than the domain gives.

    max is None where nothing limits it. Where `too_much` names the resource, min is above max.
    """
    return {name: _range(name, wanted.get(name, Range()), limits, defaults) for name in NAMES}


def _range(name: ResourceName, wanted: Range, limits: Limits, defaults: Resources) -> Range:
    least = wanted.min or 0
    most = _least_of(wanted.max, getattr(limits, name))
    usual = getattr(defaults, name) if wanted.default is None else wanted.default
    usual = max(least, usual if most is None else min(usual, most))
    return Range.model_construct(default=usual, min=least, max=most)


def _least_of(*values: int | None) -> int | None:
    return min((one for one in values if one is not None), default=None)


def too_much(wanted: AppResources, limits: Limits) -> dict[str, str]:
    """{resource: sentence} of what the app needs and a domain with `limits` does not give."""
    found: dict[str, str] = {}
    for name, one in wanted.items():
        given = getattr(limits, name)
        if one.min is not None and given is not None and one.min > given:
            found[name] = f"needs {_words(name, one.min)}; the domain gives {_words(name, given)} at most"
    return found


def outside(wanted: AppResources, asked: Resources, app: str) -> dict[str, str]:
    """{dotted field: sentence} of what is asked beyond the app's own bounds."""
    found = {}
    for name, one in wanted.items():
        value = getattr(asked, name)
        if one.max is not None and value > one.max:
            found[f"resources.{name}"] = (
                f"asks {_words(name, value)}; at most {_words(name, one.max)} in app {app}"
            )
        if one.min is not None and value < one.min:
            found[f"resources.{name}"] = (
                f"asks {_words(name, value)}; app {app} needs {_words(name, one.min)}"
            )
    return found


def against_form(
    asked: Resources, explicit: Collection[str], by_form: Mapping[ResourceName, int], app: str
) -> dict[str, str]:
    """{dotted field: sentence} of what is asked explicitly beside the form, and otherwise in it."""
    return {
        f"resources.{name}": f"asks {_words(name, getattr(asked, name))}; "
        f"the form of app {app} asks {_words(name, amount)}: fill that in"
        for name, amount in by_form.items()
        if name in explicit and getattr(asked, name) != amount
    }


def _words(name: str, value: int) -> str:
    return duration(value) if name == "time_limit_s" else f"{value} {_UNITS[name]}"
