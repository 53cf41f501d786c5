"""Service accounts and their tokens as rows, on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sciserver_hpc.domain.access import Action, Grant, Resource, Subject, SubjectKind
from sciserver_hpc.domain.errors import Conflict
from sciserver_hpc.domain.groups import Group, Membership, Role, Status, user
from sciserver_hpc.domain.service_accounts import ServiceAccount
from sciserver_hpc.domain.tokens import Scope, TokenKind
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock

RED = Subject(kind=SubjectKind.PORTAL_GROUP, name="red")
DAY = timedelta(days=1)


def account(name: str, owner: Subject, clock: FakeClock) -> ServiceAccount:
    return ServiceAccount(name=name, owner=owner, created_by="alice", created_at=clock.now())


def in_red(
    name: str, clock: FakeClock, role: Role = Role.MEMBER, status: Status = Status.ACCEPTED
) -> Membership:
    return Membership(
        group="red", member=user(name), role=role, status=status, by="alice", changed_at=clock.now()
    )


@pytest.fixture
def ours(store: SqlStore, clock: FakeClock) -> ServiceAccount:
    """Account `ci` of group red: bob owns that, alice and zoe are admins, carol a member."""
    store.add_group(Group(name="red", owner="bob", created_at=clock.now()))
    roles = {"alice": Role.ADMIN, "bob": Role.OWNER, "carol": Role.MEMBER, "zoe": Role.ADMIN}
    store.put_memberships([in_red(name, clock, role) for name, role in roles.items()])
    made = account("ci", RED, clock)
    store.add_service_account(made)
    return made


def test_accounts_are_found_by_name_owner_and_start(
    store: SqlStore, clock: FakeClock, ours: ServiceAccount
) -> None:
    mine = account("cd", user("alice"), clock)
    store.add_service_account(mine)
    assert store.service_account("ci") == ours and store.service_account("c") is None
    assert store.service_accounts_of([user("alice"), RED]) == [mine, ours]
    assert store.service_accounts_of([user("red")]) == store.service_accounts_of([]) == []
    assert store.service_accounts("", 1) == [mine] and store.service_accounts("cd", 9) == [ours]
    assert store.service_accounts_like("C", 9) == [mine, ours] and store.service_accounts_like("_", 9) == []


def test_an_account_changes_and_reads_like_no_other(
    store: SqlStore, clock: FakeClock, ours: ServiceAccount
) -> None:
    changed = ours.model_copy(update={"disabled_at": clock.now(), "disabled_by": "root1", "locked": True})
    store.change_service_account(changed)
    assert store.service_account("ci") == changed
    assert store.service_account_once("c1") and not store.service_account_once("cx")
    with pytest.raises(Conflict):
        store.add_service_account(account("c1", RED, clock))


def test_who_answers_is_the_owner_first(store: SqlStore, clock: FakeClock, ours: ServiceAccount) -> None:
    assert store.answering(ours) == ["bob", "alice", "zoe"]
    assert store.answering(account("cd", user("carol"), clock)) == ["carol"]
    store.delete_group("red", clock.now())
    assert store.answering(ours) == []


def test_invitations_of_ones_programs_count(store: SqlStore, clock: FakeClock, ours: ServiceAccount) -> None:
    store.put_memberships([in_red("svc:ci", clock, status=Status.INVITED)])
    counts = {name: store.count_invitations(name) for name in ("alice", "bob", "carol", "ci")}
    assert counts == {"alice": 1, "bob": 1, "carol": 0, "ci": 0}


def test_a_rotated_token_keeps_all_but_secret_and_end(
    store: SqlStore, clock: FakeClock, ours: ServiceAccount
) -> None:
    now, scopes = clock.now(), frozenset({Scope.JOBS_READ})
    made = store.add_token(ours.caller, TokenKind.SERVICE, "t", scopes, "a" * 64, now, now + DAY)
    assert store.token("a" * 64, now) is not None
    again = store.rotate_token(ours.caller, made.id, "b" * 64, now, now + 2 * DAY)
    assert again is not None and (again.id, again.scopes, again.last_used_at) == (made.id, scopes, None)
    assert store.token("a" * 64, now) is None and store.token("b" * 64, now + DAY) is not None
    assert store.rotate_token("svc:cd", made.id, "c" * 64, now, now + DAY) is None
    assert store.rotate_token(ours.caller, made.id, "c" * 64, now + 2 * DAY, now + 3 * DAY) is None


def test_its_end_is_the_end_of_all_that_names_it(
    store: SqlStore, clock: FakeClock, ours: ServiceAccount
) -> None:
    now, image = clock.now(), Resource(kind="image", name="python")
    store.add_token(ours.caller, TokenKind.SERVICE, "t", frozenset(Scope), "a" * 64, now, now + DAY)
    store.add_token("ci", TokenKind.PERSONAL, "t", frozenset(Scope), "b" * 64, now, now + DAY)
    given = [Grant(subject=who, action=Action.USE, resource=image) for who in (ours.subject, user("ci"))]
    store.add_grants(given, now)
    store.put_memberships([in_red("svc:ci", clock), in_red("ci", clock)])
    assert ours.subject in store.reach([ours.subject]) and RED in store.reach([ours.subject])
    store.delete_service_account(ours, now)
    assert store.token("a" * 64, now) is None and store.token("b" * 64, now) is not None
    assert [share.grant.subject for share in store.shares_on(image)] == [user("ci")]
    assert store.membership("red", ours.subject) is None and store.membership("red", user("ci")) is not None
    assert store.service_account("ci") is None and store.service_account_once("ci")
