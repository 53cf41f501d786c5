"""Column types that mean the same on both engines."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")

Id = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit key; SQLite numbers rows by itself only in an INTEGER column (sqlite.org/autoinc.html)."""


class Words(TypeDecorator[str]):
    """Text from outside: Slurm's words, a job's own message.

    What an engine refuses to store (NUL on PostgreSQL, lone surrogates on both) becomes U+FFFD: one job's odd
    message must not keep the turn's other changes from being written.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """To the engine."""
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """`text` as `Words` stores it."""
    return _UNSTORABLE.sub("\ufffd", text)


class Instant(TypeDecorator[datetime]):
    """A moment, aware UTC on the way in and out.

    timestamptz on PostgreSQL; microseconds since 1970 on SQLite, which has no type for it.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the engine's own type."""
        kind = BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the engine."""
        if value is None or dialect.name != "sqlite":
            return value
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the engine."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return _EPOCH + timedelta(microseconds=value)
        moment: datetime = value
        return moment.astimezone(UTC)
