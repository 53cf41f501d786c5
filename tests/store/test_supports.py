"""Support sessions, on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sciserver_hpc.domain.support import SupportSession
from sciserver_hpc.domain.tokens import TokenKind
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import NOON

MINUTE = timedelta(minutes=1)


def login(store: SqlStore, digest: str = "l" * 64, minutes: int = 60) -> int:
    end = NOON + minutes * MINUTE
    return store.add_token("root1", TokenKind.LOGIN, "login", frozenset(), digest, NOON, end).id


def session(store: SqlStore, digest: str = "s" * 64, username: str = "alice", **more: int) -> SupportSession:
    return store.add_support(
        SupportSession(
            id=0,
            actor="root1",
            username=username,
            reason="ticket 7",
            login=more.get("login") or login(store),
            digest=digest,
            created_at=NOON,
            expires_at=NOON + 30 * MINUTE,
        )
    )


def test_a_session_is_found_by_its_hash_until_it_is_ended_once(store: SqlStore) -> None:
    made = session(store)
    assert store.support("s" * 64) == made
    assert store.support("x" * 64) is None
    assert store.supports_open() == [made]
    assert store.end_support(made.id, NOON + MINUTE)
    assert not store.end_support(made.id, NOON + MINUTE)
    assert store.support("s" * 64) is None
    assert store.supports_open() == store.supports_over(NOON + 31 * MINUTE) == []


@pytest.mark.parametrize(("minutes", "over"), [(0, False), (29, False), (30, True)])
def test_a_session_is_over_with_its_time(store: SqlStore, minutes: int, over: bool) -> None:
    made = session(store)
    assert store.supports_over(NOON + minutes * MINUTE) == ([made] if over else [])


def test_a_session_is_over_with_its_login_and_with_no_other(store: SqlStore) -> None:
    mine, other = login(store), login(store, "o" * 64)
    made = session(store, login=mine)
    assert store.revoke_token("root1", other)
    assert store.supports_over(NOON) == []
    assert store.token_lives(mine, NOON) and not store.token_lives(mine, NOON + 60 * MINUTE)
    assert store.revoke_token("root1", mine)
    assert not store.token_lives(mine, NOON)
    assert store.supports_over(NOON) == [made]


def test_what_was_seen_is_noted_once(store: SqlStore) -> None:
    made = session(store)
    assert [store.note_seen(made.id, group) for group in ("jobs", "groups", "jobs")] == [True, True, False]
    assert store.supports_open()[0].seen == {"groups", "jobs"}
