"""What the groups of queries have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from .database import Database


class Part:
    """Queries about one noun; `SqlStore` joins them all over one database."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
