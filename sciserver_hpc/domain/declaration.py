"""A site's declarative file: from TOML and back. Pure."""

from __future__ import annotations

import tomllib
from typing import Any

from pydantic import ValidationError

from . import toml
from .catalogue import Site
from .errors import Invalid
from .problems import problems
from .resources import UNLIMITED


def read(text: str, name: str) -> Site:
    """The site that `text`, the content of file `name`, declares. Raises Invalid: what is wrong where."""
    try:
        return Site.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise Invalid({f"{name}: {field}": words for field, words in problems(error).items()}) from error
    except ValueError as error:
        raise Invalid({name: f"it is not TOML: {error}."}) from error


def written(site: Site) -> str:
    """`site` as `read` reads it. Who granted is left out: it is the site."""
    values = site.model_dump(mode="json")
    for domain in values["domains"]:
        if domain["limits"]["nodes"] is None:
            domain["limits"]["nodes"] = UNLIMITED  # TOML has no null, and a field left out means one node
    for grant in values["grants"]:
        del grant["granted_by"]
    return toml.dumps(_filled(values)).lstrip("\n")


def _filled(value: Any) -> Any:
    """Without what is empty, which a field left out is too."""
    if isinstance(value, dict):
        filled = {key: _filled(one) for key, one in value.items()}
        return {key: one for key, one in filled.items() if one not in (None, "", [], {})}
    return [_filled(one) for one in value] if isinstance(value, list) else value
