"""Tokens people carry, and the logins that failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, bindparam, delete, exists, func, insert, select, update

from ..domain.tokens import Scope, Token, TokenKind
from .columns import Instant
from .part import Part
from .schema import login_failures, tokens

_NOTE_USE_EVERY = timedelta(minutes=1)
_FORGET_FAILURES_AFTER = timedelta(days=1)

_LIVE = select(tokens).where(tokens.c.digest == bindparam("digest"), tokens.c.expires_at > bindparam("now"))


class Tokens(Part):
    """Queries on `tokens` and `login_failures`."""

    def add_token(
        self,
        username: str,
        kind: TokenKind,
        name: str,
        scopes: frozenset[Scope],
        digest: str,
        now: datetime,
        expires_at: datetime,
    ) -> Token:
        """See `ports.Store`.

        The person's expired tokens go at the same time.
        """
        row = {
            "username": username,
            "kind": kind,
            "name": name,
            "scopes": json.dumps(sorted(scopes)),
            "digest": digest,
            "created_at": now,
            "expires_at": expires_at,
        }
        expired = delete(tokens).where(tokens.c.username == username, tokens.c.expires_at <= now)
        with self._database.writing() as connection:
            connection.execute(expired)
            return _token(connection.execute(insert(tokens).values(row).returning(tokens)).one())

    def token(self, digest: str, now: datetime) -> Token | None:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            row = connection.execute(_LIVE, {"digest": digest, "now": now}).one_or_none()
        if row is None:
            return None
        if row.last_used_at is None or now - row.last_used_at >= _NOTE_USE_EVERY:
            self._note_use(row.id, now)
        return _token(row)

    def _note_use(self, token_id: int, now: datetime) -> None:
        with self._database.writing() as connection:
            connection.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=now))

    def token_lives(self, token_id: int, now: datetime) -> bool:
        """See `ports.Store`."""
        live = exists().where(tokens.c.id == token_id, tokens.c.expires_at > now)
        with self._database.reading() as connection:
            return bool(connection.execute(select(live)).scalar_one())

    def tokens(self, username: str, now: datetime) -> list[Token]:
        """See `ports.Store`."""
        live = select(tokens).where(tokens.c.username == username, tokens.c.expires_at > now)
        with self._database.reading() as connection:
            return [_token(row) for row in connection.execute(live.order_by(tokens.c.id.desc()))]

    def seen_last(self, usernames: Sequence[str]) -> dict[str, datetime]:
        """See `ports.Store`."""
        at = func.max(func.coalesce(tokens.c.last_used_at, tokens.c.created_at), type_=Instant())
        wanted = select(tokens.c.username, at).where(tokens.c.username.in_(usernames))
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(wanted.group_by(tokens.c.username))}

    def revoke_token(self, username: str, token_id: int) -> bool:
        """See `ports.Store`."""
        mine = delete(tokens).where(tokens.c.username == username, tokens.c.id == token_id)
        with self._database.writing() as connection:
            return connection.execute(mine).rowcount > 0

    def rotate_token(
        self, username: str, token_id: int, digest: str, now: datetime, expires_at: datetime
    ) -> Token | None:
        """See `ports.Store`."""
        columns = tokens.c
        mine = (columns.username == username, columns.id == token_id, columns.expires_at > now)
        fresh = {"digest": digest, "created_at": now, "expires_at": expires_at, "last_used_at": None}
        with self._database.writing() as connection:
            row = connection.execute(
                update(tokens).where(*mine).values(fresh).returning(tokens)
            ).one_or_none()
        return None if row is None else _token(row)

    def count_failure(self, key: str, now: datetime) -> None:
        """See `ports.Store`.

        Failures older than a day go at the same time, whoever's they are.
        """
        with self._database.writing() as connection:
            connection.execute(
                delete(login_failures).where(login_failures.c.at < now - _FORGET_FAILURES_AFTER)
            )
            connection.execute(insert(login_failures).values(key_digest=_digest(key), at=now))

    def failures(self, key: str, since: datetime) -> tuple[int, datetime | None]:
        """See `ports.Store`."""
        ours = (login_failures.c.key_digest == _digest(key), login_failures.c.at > since)
        with self._database.reading() as connection:
            found = connection.execute(select(func.count(), func.max(login_failures.c.at)).where(*ours)).one()
        return found[0], found[1]

    def clear_failures(self, key: str) -> None:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            connection.execute(delete(login_failures).where(login_failures.c.key_digest == _digest(key)))


def _digest(key: str) -> str:
    """Hashed, since people type passwords into the name field, and any bytes at any length."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _token(row: Row[Any]) -> Token:
    return Token.model_validate(dict(row._mapping) | {"scopes": json.loads(row.scopes)})
