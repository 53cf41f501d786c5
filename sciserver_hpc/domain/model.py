"""The base of every model that crosses a boundary."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, strict about unknown fields: validated once at the door, trusted inside."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=16_000_000)
