"""What applying a site's file would change, for people to read and for the audit trail. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from .access import Action, Grant, Resource, ResourceKind, Subject
from .catalogue import NAMED, Site
from .limits import Limit, Measure
from .model import Model

EVERYWHERE = "*"
"""Stands in the audit trail for what concerns all compute domains."""

_LONGEST = 48


class Sign(StrEnum):
    """What becomes of a thing."""

    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"


class Difference(Model):
    """One line of the difference. what: `domain gpu`, `grant everyone: use domain gpu`; changes: a line per
    field; act, on, whom, detail: as the audit trail tells it."""

    sign: Sign
    what: str
    changes: tuple[str, ...] = ()
    act: str
    on: Resource
    whom: Subject | None = None
    detail: str = ""

    def __str__(self) -> str:
        return "\n".join([f"{self.sign} {self.what}", *(f"    {change}" for change in self.changes)])


def differences(old: Site, new: Site) -> list[Difference]:
    """From what stands to what shall stand; empty when applying `new` changes nothing."""
    found: list[Difference] = []
    for field, kind in NAMED.items():
        found += _offered(field, kind, getattr(old, field), getattr(new, field))
    return [*found, *_limits(old.limits, new.limits), *_grants(old.grants, new.grants)]


def _offered(field: str, kind: ResourceKind, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Difference]:
    had, has = ({thing.name: thing for thing in things} for things in (old, new))
    for name in [*has, *(name for name in had if name not in has)]:
        on = Resource(kind=kind, name=name)
        if name not in had:
            yield _site(Sign.ADDED, str(on), on)
        elif name not in has:
            yield _site(Sign.REMOVED, str(on), on)
        elif changes := tuple(_fields(had[name], has[name])):
            yield _site(Sign.CHANGED, str(on), on, changes)
    stayed, stay = [name for name in had if name in has], [name for name in has if name in had]
    if stayed != stay:
        order = f"{', '.join(stayed)} → {', '.join(stay)}"
        words = f"order of {field.replace('_', ' ')}"
        yield _site(Sign.CHANGED, words, Resource(kind=kind, name=EVERYWHERE), (order,))


def _site(sign: Sign, what: str, on: Resource, changes: tuple[str, ...] = ()) -> Difference:
    act = {Sign.ADDED: "site.add", Sign.CHANGED: "site.change", Sign.REMOVED: "site.remove"}[sign]
    return Difference(sign=sign, what=what, changes=changes, act=act, on=on, detail="; ".join(changes))


def _fields(old: Model, new: Model) -> Iterator[str]:
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    for name in dict.fromkeys([*before, *after]):
        was, will = before.get(name), after.get(name)
        if was != will:
            listed = isinstance(was, list) and isinstance(will, list) and set(was) != set(will)
            yield f"{name}: {_lists(was, will) if listed else f'{_short(was)} → {_short(will)}'}"


def _flat(fields: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found


def _lists(was: Any, will: Any) -> str:
    """What comes into a list and what goes."""
    return ", ".join(
        [*(f"+{one}" for one in will if one not in was), *(f"-{one}" for one in was if one not in will)]
    )


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    text = "none" if value is None else str(value) if value != "" else '""'
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _limits(old: Iterable[Limit], new: Iterable[Limit]) -> Iterator[Difference]:
    had, has = ({(one.subject, one.domain): one for one in limits} for limits in (old, new))
    for key in [*has, *(key for key in had if key not in has)]:
        was, will = had.get(key), has.get(key)
        if was == will:
            continue
        subject, domain = key
        on = Resource(kind=ResourceKind.DOMAIN, name=domain or EVERYWHERE)
        what = f"limit {subject} in {f'domain {domain}' if domain else 'all domains'}"
        sign = Sign.CHANGED if was and will else Sign.ADDED if will else Sign.REMOVED
        amounts = f"{_amounts(was)} → {_amounts(will)}" if was and will else _amounts(will or was)
        made = _site(sign, f"{what}: {amounts}", on)
        yield made.model_copy(update={"whom": subject, "detail": f"limit: {amounts}"})


def _amounts(limit: Limit | None) -> str:
    given = [(measure, limit.most(measure)) for measure in Measure] if limit else []
    return ", ".join(f"{most} {measure}" for measure, most in given if most is not None)


def _grants(old: Iterable[Grant], new: Iterable[Grant]) -> Iterator[Difference]:
    had, has = (_ends(old), _ends(new))
    for key in [*has, *(key for key in had if key not in has)]:
        if key in had and key in has and had[key] == has[key]:
            continue
        subject, action, resource = key
        sign = Sign.ADDED if key not in had else Sign.REMOVED if key not in has else Sign.CHANGED
        end = _until(has[key] if key in has else had[key])
        yield Difference(
            sign=sign,
            what=f"grant {subject}: {action} {resource}{end}",
            changes=(f"until: {_end(had[key])} → {_end(has[key])}",) if sign is Sign.CHANGED else (),
            act="revoke" if sign is Sign.REMOVED else "grant",
            on=resource,
            whom=subject,
            detail=f"{action}{end}",
        )


def _ends(grants: Iterable[Grant]) -> dict[tuple[Subject, Action, Resource], datetime | None]:
    return {(one.subject, one.action, one.resource): one.expires for one in grants}


def _until(expires: datetime | None) -> str:
    return f" until {_end(expires)}" if expires else ""


def _end(expires: datetime | None) -> str:
    return expires.isoformat() if expires else "no end"
