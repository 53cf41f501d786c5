"""Models kept as JSON text, parsed once: a text that was parsed before gives the same frozen model."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar, cast

from ..domain.model import Model

Parsed = TypeVar("Parsed", bound=Model)


def parsed(model: type[Parsed], text: str) -> Parsed:
    """The model in `text`, which this package wrote."""
    return cast(Parsed, _parsed(model, text))


def forget() -> None:
    """Parse anew from now on: for measuring."""
    _parsed.cache_clear()


@lru_cache(maxsize=4096)
def _parsed(model: type[Model], text: str) -> Model:
    return model.model_validate_json(text)
