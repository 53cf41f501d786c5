"""Credentials the house issues: scoped, expiring, stored only as hashes."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime

from .model import Model
from .names import Username


class Scope(StrEnum):
    """What a token may be used for."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    GROUPS_READ = "groups:read"
    GROUPS_WRITE = "groups:write"
    GRANTS_READ = "grants:read"
    GRANTS_WRITE = "grants:write"


class TokenKind(StrEnum):
    """Where a token came from."""

    LOGIN = "login"
    """A browser's or `sciserver login`'s session; ends with logout."""

    PERSONAL = "personal"
    """Made by a person for a program, with chosen scopes."""

    SUPPORT = "support"
    """Lets an administrator look as somebody else; bound to their login, and no row of the tokens' own."""


class Token(Model):
    """A token's row.

    `digest`: sha256 hex of the secret; the secret itself is shown once and never stored.
    """

    id: int
    username: Username
    kind: TokenKind
    name: str
    scopes: frozenset[Scope]
    digest: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    last_used_at: AwareDatetime | None = None
