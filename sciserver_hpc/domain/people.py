"""Who asks: a person as the directory knows them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .model import Model
from .names import ServiceCaller, Username

NOBODY = 0xFFFF_FFFF
"""The kernel's -1, which is nobody's number."""


class Person(Model):
    """A user of the directory.

    `uid`/`gid` decide as whom work runs; `groups` are directory groups (names).
    """

    username: Username
    uid: int = Field(ge=0, lt=NOBODY)
    gid: int = Field(ge=0, lt=NOBODY)
    full_name: str = ""
    email: str = ""
    groups: frozenset[str] = frozenset()
    admin: bool = False


class Program(Person):
    """A service account in a person's place: it asks, and has no Unix user.

    Its numbers are nobody's, and its name is none that a job, a volume or an agent can have.
    """

    username: ServiceCaller
    uid: int = Field(default=NOBODY, ge=NOBODY, le=NOBODY)
    gid: int = Field(default=NOBODY, ge=NOBODY, le=NOBODY)
    admin: Literal[False] = False
