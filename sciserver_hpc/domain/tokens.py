"""Credentials the house issues: scoped, expiring, stored only as hashes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from .model import Model
from .names import ServiceCaller, Username, printable


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

    SERVICE = "service"
    """A service account's own."""


class Token(Model):
    """A token's row.

    `digest`: sha256 hex of the secret; the secret itself is shown once and never stored.
    """

    id: int
    username: Username | ServiceCaller
    kind: TokenKind
    name: str
    scopes: frozenset[Scope]
    digest: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    last_used_at: AwareDatetime | None = None


def token_problems(
    name: str, scopes: Collection[Scope], lifetime: timedelta, longest: timedelta, offered: Collection[Scope]
) -> dict[str, str]:
    """What is wrong with a token that is asked for, by field. offered: the scopes it may have at most."""
    problems: dict[str, str] = {}
    if not 1 <= len(name) <= 64:
        problems["name"] = "give the token a name of 1 to 64 characters, so that you know it again"
    else:
        try:
            printable(name)
        except ValueError as error:
            problems["name"] = str(error)
    if not scopes or not set(scopes) <= set(offered):
        problems["scopes"] = f"choose at least one of: {', '.join(s for s in Scope if s in offered)}"
    if not timedelta(minutes=1) <= lifetime <= longest:
        problems["lifetime"] = f"choose between 1 minute and {longest.days} days"
    return problems
