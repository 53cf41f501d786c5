"""The site's catalogue: from its TOML file into the database, with the difference shown."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from ..domain.access import SITE
from ..domain.catalogue import Site
from ..domain.errors import Invalid
from ..domain.problems import problems
from ..domain.sharing import NO_EVERYONE, storable
from ..ports import Store


def load(file: Path) -> Site:
    """The catalogue written in `file`. Raises Invalid naming what is wrong where."""
    try:
        return Site.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise Invalid({str(file): f"it cannot be read: {error.strerror}."}) from error
    except ValidationError as error:
        raise Invalid({f"{file}: {field}": text for field, text in problems(error).items()}) from error
    except ValueError as error:
        raise Invalid({str(file): f"it is not TOML: {error}."}) from error


def check(site: Site, everyone_group: str) -> None:
    """Raise Invalid where a grant could not be kept on a filesystem."""
    for grant in site.grants:
        if not (everyone_group or storable(grant.resource, grant.subject)):
            raise Invalid({f"grant on {grant.resource} to {grant.subject}": f"{NO_EVERYONE}."})


def differences(site: Site, store: Store) -> Iterator[str]:
    """A line per thing that applying `site` would add (+), change (~) or remove (-).

    Grants are compared for the people and groups that `site` names.
    """
    kinds = (
        ("domain", store.domains(), site.domains),
        ("image", store.images(), site.images),
        ("root volume", store.root_volumes(), site.root_volumes),
        ("data volume", store.data_volumes(), site.data_volumes),
    )
    for kind, old, new in kinds:
        had, has = ({thing.name: thing for thing in things} for things in (old, new))
        yield from (f"+ {kind} {name}" for name in has if name not in had)
        yield from (f"~ {kind} {name}" for name in has if name in had and has[name] != had[name])
        yield from (f"- {kind} {name}" for name in had if name not in has)
    yield from _grants(site, store)


def _grants(site: Site, store: Store) -> Iterator[str]:
    subjects = sorted({(grant.subject.kind, grant.subject.name) for grant in site.grants})
    had = {grant for grant in store.grants(subjects) if grant.granted_by == SITE}
    has = set(site.grants)
    for sign, grants in (("+", has - had), ("-", had - has)):
        yield from sorted(f"{sign} grant {g.subject}: {g.action} {g.resource}" for g in grants)
