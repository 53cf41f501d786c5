"""Passwords, tokens and the lockout."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sciserver_hpc.domain.errors import BadCredentials, Invalid, LockedOut, NotFound, Unavailable
from sciserver_hpc.domain.tokens import Scope, TokenKind
from sciserver_hpc.services.lockout import ADDRESS, PAIR, USER, Rule

from .world import ALICE, BOB, PASSWORDS, World

HOME = "192.0.2.1"
ELSEWHERE = "198.51.100.7"


def fail(world: World, times: int, user: str = "alice", address: str = HOME) -> None:
    for _ in range(times):
        with pytest.raises(BadCredentials):
            world.login.password(user, "wrong", address)


def test_a_login_gives_a_token_that_names_its_person(world: World) -> None:
    person, secret, token = world.login.password("alice", "wonderland", HOME)
    assert person == ALICE
    assert secret.startswith("sht_")
    assert token.kind is TokenKind.LOGIN
    assert token.expires_at == world.clock.now() + timedelta(hours=24)
    assert world.login.resolve(secret) == (ALICE, token)


def test_the_store_never_holds_the_secret(world: World) -> None:
    _, secret, token = world.login.password("alice", "wonderland", HOME)
    assert secret not in token.model_dump_json()
    assert len(token.digest) == 64


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("nobody", "wonderland"),
        ("", "wonderland"),
        ("ALICE", "wonderland"),
        ("alice\n", "wonderland"),
        ("*", "wonderland"),
        ("alice)(uid=*", "wonderland"),
        ("a" * 10_000, "wonderland"),
        ("alice\0", "wonderland"),
    ],
)
def test_every_wrong_login_gets_the_same_answer(world: World, username: str, password: str) -> None:
    with pytest.raises(BadCredentials) as caught:
        world.login.password(username, password, HOME)
    assert str(caught.value) == "User name or password is wrong."


def test_ldap_metacharacters_never_reach_the_directory(world: World) -> None:
    fail(world, 1, "*)(uid=*")
    assert world.people.asked == []


def test_after_five_failures_even_the_right_password_waits(world: World) -> None:
    fail(world, PAIR.free)
    asked = len(world.people.asked)
    with pytest.raises(LockedOut) as caught:
        world.login.password("alice", "wonderland", HOME)
    assert caught.value.wait_s == 60
    assert len(world.people.asked) == asked, "the directory is not asked while locked"


def test_the_lock_opens_by_itself_and_a_success_clears_it(world: World) -> None:
    fail(world, PAIR.free)
    world.clock.advance(60)
    world.login.password("alice", "wonderland", HOME)
    fail(world, PAIR.free - 1)
    world.login.password("alice", "wonderland", HOME)


def test_the_wait_grows(world: World) -> None:
    fail(world, PAIR.free)
    world.clock.advance(60)
    fail(world, 1)
    with pytest.raises(LockedOut) as caught:
        world.login.password("alice", "wonderland", HOME)
    assert caught.value.wait_s == 120


def test_an_unknown_user_is_locked_just_like_a_known_one(world: World) -> None:
    fail(world, PAIR.free, "nobody")
    with pytest.raises(LockedOut) as caught:
        world.login.password("nobody", "x", HOME)
    fail(world, PAIR.free, "alice")
    with pytest.raises(LockedOut) as other:
        world.login.password("alice", "x", HOME)
    assert str(caught.value) == str(other.value)


def test_guessing_from_one_place_does_not_lock_the_owner_out_elsewhere(world: World) -> None:
    fail(world, PAIR.free)
    world.login.password("alice", "wonderland", ELSEWHERE)


def test_guessing_from_many_places_slows_the_guessers_but_not_the_owner(world: World) -> None:
    for number in range(USER.free):
        fail(world, 1, address=f"203.0.113.{number}")
    with pytest.raises(LockedOut):
        world.login.password("alice", "guess", "203.0.113.0")
    world.login.password("alice", "wonderland", HOME)


def test_one_address_trying_many_names_is_stopped(world: World) -> None:
    for number in range(ADDRESS.free):
        fail(world, 1, f"user{number}")
    with pytest.raises(LockedOut):
        world.login.password("bob", "builder", HOME)
    world.login.password("bob", "builder", ELSEWHERE)


def test_names_of_no_possible_form_count_for_their_address(world: World) -> None:
    fail(world, PAIR.free, "*")
    with pytest.raises(LockedOut):
        world.login.password("(uid=*)", "x", HOME)


def test_failures_of_more_than_an_hour_ago_are_forgotten(world: World) -> None:
    fail(world, PAIR.free)
    world.clock.advance(3601)
    fail(world, PAIR.free)


def test_a_silent_directory_is_no_failure_of_the_person(world: World) -> None:
    world.people.down = True
    for _ in range(PAIR.free + 1):
        with pytest.raises(Unavailable):
            world.login.password("alice", "wonderland", HOME)
    world.people.down = False
    world.login.password("alice", "wonderland", HOME)


def test_a_rule_doubles_its_wait_up_to_the_longest() -> None:
    rule = Rule(free=2, first=timedelta(seconds=10), longest=timedelta(seconds=35))
    waits = [rule.wait(failures).total_seconds() for failures in (1, 2, 3, 4, 500)]
    assert waits == [0, 10, 20, 35, 35]


def test_the_first_login_makes_the_default_volumes(world: World) -> None:
    world.login.password("alice", "wonderland", HOME)
    refs = {volume.ref for volume in world.store.user_volumes("alice")}
    assert {"Storage/alice/persistent", "Temporary/alice/scratch", "Temporary/alice/jobs"} <= refs
    assert "/shared/Storage/alice/persistent" in world.agents.directories


def test_an_agent_that_is_away_does_not_keep_anybody_out(world: World) -> None:
    world.agents.fail(ALICE.uid, Unavailable("agent", "not started"))
    _, secret, _ = world.login.password("alice", "wonderland", HOME)
    assert world.login.resolve(secret) is not None
    assert world.store.user_volumes("alice") == []
    world.agents.heal(ALICE.uid)
    world.login.password("alice", "wonderland", HOME)
    assert world.store.user_volumes("alice") != []


def test_a_token_ends_with_its_time(world: World) -> None:
    _, secret, _ = world.login.password("alice", "wonderland", HOME)
    world.clock.advance(24 * 3600)
    assert world.login.resolve(secret) is None


def test_a_logout_ends_its_token_alone(world: World) -> None:
    _, first, token = world.login.password("alice", "wonderland", HOME)
    _, second, _ = world.login.password("alice", "wonderland", HOME)
    world.login.logout(token)
    assert world.login.resolve(first) is None
    assert world.login.resolve(second) is not None


@pytest.mark.parametrize(
    "secret", ["", "sht_", "sht_x", "x" * 50, "sht_" + "x" * 10_000, "sht_é", "sht_\ud800"]
)
def test_nonsense_is_nobodys_token(world: World, secret: str) -> None:
    assert world.login.resolve(secret) is None


def test_a_personal_token_has_the_scopes_it_was_given(world: World) -> None:
    secret, token = world.login.personal_token(ALICE, " ci ", {Scope.JOBS_READ}, timedelta(days=30))
    assert (token.name, token.scopes) == ("ci", frozenset({Scope.JOBS_READ}))
    assert world.login.resolve(secret) == (ALICE, token)


@pytest.mark.parametrize(
    ("name", "scopes", "lifetime", "field"),
    [
        ("", {Scope.JOBS_READ}, timedelta(days=1), "name"),
        ("x" * 65, {Scope.JOBS_READ}, timedelta(days=1), "name"),
        ("a\u202eb", {Scope.JOBS_READ}, timedelta(days=1), "name"),
        ("ci", set(), timedelta(days=1), "scopes"),
        ("ci", {Scope.JOBS_READ}, timedelta(days=366), "lifetime"),
        ("ci", {Scope.JOBS_READ}, timedelta(0), "lifetime"),
    ],
)
def test_a_bad_personal_token_is_refused_by_field(
    world: World, name: str, scopes: set[Scope], lifetime: timedelta, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        world.login.personal_token(ALICE, name, scopes, lifetime)
    assert set(caught.value.problems) == {field}


def test_nobody_revokes_another_persons_token(world: World) -> None:
    secret, token = world.login.personal_token(ALICE, "ci", {Scope.JOBS_READ}, timedelta(days=1))
    with pytest.raises(NotFound):
        world.login.revoke(BOB, token.id)
    assert world.login.resolve(secret) is not None
    world.login.revoke(ALICE, token.id)
    assert world.login.resolve(secret) is None
    assert world.login.tokens(ALICE) == []


def test_who_was_removed_from_the_directory_is_out_after_a_while(world: World) -> None:
    _, secret, _ = world.login.password("alice", "wonderland", HOME)
    del world.people.people["alice"]
    assert world.login.resolve(secret) is not None
    world.clock.advance(15 * 60)
    assert world.login.resolve(secret) is None


def test_new_groups_are_seen_after_a_while_without_a_login(world: World) -> None:
    _, secret, _ = world.login.password("alice", "wonderland", HOME)
    world.people.people["alice"] = ALICE.model_copy(update={"groups": frozenset()})
    world.clock.advance(15 * 60)
    resolved = world.login.resolve(secret)
    assert resolved is not None
    assert resolved[0].groups == frozenset()


def test_tokens_work_while_the_directory_is_silent(world: World) -> None:
    _, secret, _ = world.login.password("alice", "wonderland", HOME)
    world.people.down = True
    world.clock.advance(15 * 60)
    assert world.login.resolve(secret) is not None


def test_a_silent_directory_is_asked_once_a_minute_and_not_for_everybody(world: World) -> None:
    secrets = [world.login.password(user, PASSWORDS[user], HOME)[1] for user in ("alice", "bob")]
    world.people.down = True
    world.clock.advance(15 * 60)
    before = world.people.calls
    for secret in secrets * 3:
        assert world.login.resolve(secret) is not None
    assert world.people.calls == before + 1
    world.people.down = False
    world.clock.advance(60)
    for secret in secrets:
        assert world.login.resolve(secret) is not None
    assert world.people.calls == before + 3
