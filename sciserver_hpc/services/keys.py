"""Idempotency keys: a request sent again with its key gives the job that it gave before."""

from __future__ import annotations

from ..domain.errors import Invalid
from ..domain.names import printable


def check_key(key: str | None) -> None:
    """Raise Invalid unless `key` is one that a person may choose; none is fine."""
    if key is None:
        return
    if not 1 <= len(key) <= 200:
        raise Invalid({"key": "an idempotency key has 1 to 200 characters"})
    try:
        printable(key)
    except ValueError as error:
        raise Invalid({"key": str(error)}) from error


def key_of_place(key: str | None, place: int) -> str | None:
    """The key of the job at `place`, from 0, of a request for many that carries `key`."""
    return None if key is None else f"{key}.{place}"
