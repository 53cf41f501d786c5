"""Rules about service accounts: who speaks by one, how many there may be, what its name can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sciserver_hpc.domain.access import EVERYONE, SubjectKind, asking, own_subjects
from sciserver_hpc.domain.errors import Conflict, Refused
from sciserver_hpc.domain.groups import Membership, Role, Status, user
from sciserver_hpc.domain.names import ServiceName, Username
from sciserver_hpc.domain.notation import named, subject
from sciserver_hpc.domain.people import NOBODY, Person
from sciserver_hpc.domain.scheduling import Owner
from sciserver_hpc.domain.service_accounts import MOST_OWNED, SCOPES, Managing, ServiceAccount, create, owns
from sciserver_hpc.domain.tokens import Scope, token_problems

NOW = datetime(2026, 1, 15, tzinfo=UTC)
ALICE = Person(username="alice", uid=2001, gid=2001)
ROOT = Person(username="root1", uid=2009, gid=2009, admin=True)
RED = subject("group:red")
ACCOUNT = ServiceAccount(name="ci", owner=user("alice"), created_by="alice", created_at=NOW)


def in_red(role: Role, status: Status = Status.ACCEPTED) -> Membership:
    return Membership(group="red", member=user("alice"), role=role, status=status, by="bob", changed_at=NOW)


@given(st.from_regex(r"[a-z][a-z0-9_.-]{0,27}", fullmatch=True))
def test_no_name_a_program_asks_under_is_a_persons(name: str) -> None:
    account = ACCOUNT.model_copy(update={"name": name})
    with pytest.raises(ValidationError):
        TypeAdapter(Username).validate_python(account.caller)
    assert asking(account.caller) == account.subject == subject(named(account.subject))
    assert asking(name).kind is SubjectKind.USER
    assert own_subjects(account.program) == {account.subject} and EVERYONE not in own_subjects(
        account.program
    )
    assert len(account.caller) <= 32


@pytest.mark.parametrize("name", ["", "1ci", "CI", "svc:ci", "a b", "x" * 29, "ci\n", "../x"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ServiceName).validate_python(name)


def test_no_agent_is_started_as_a_program() -> None:
    program = ACCOUNT.program
    assert (program.uid, program.gid, program.admin) == (NOBODY, NOBODY, False)
    with pytest.raises(ValidationError):
        Owner(username=program.username, uid=program.uid, gid=program.gid)
    with pytest.raises(ValidationError):
        type(program)(username="svc:ci", uid=2001)


def test_who_speaks_by_an_account() -> None:
    assert owns(ALICE, user("alice"), None) and not owns(ROOT, user("alice"), None)
    leads = {role: owns(ALICE, RED, in_red(role)) for role in Role}
    assert leads == {Role.MEMBER: False, Role.ADMIN: True, Role.OWNER: True}
    assert not owns(ALICE, RED, None) and not owns(ALICE, RED, in_red(Role.ADMIN, Status.INVITED))
    assert not owns(ROOT, RED, None) and not owns(ALICE, EVERYONE, None)
    assert not owns(ACCOUNT.program, ACCOUNT.subject, None)
    assert not owns(ACCOUNT.program, RED, in_red(Role.ADMIN))


def test_accounts_are_not_without_number_nor_alike() -> None:
    managing = Managing(ALICE, ACCOUNT)
    assert create(managing, owned=MOST_OWNED - 1, once_used=False) == ACCOUNT
    with pytest.raises(Refused, match="20 service accounts"):
        create(managing, owned=MOST_OWNED, once_used=False)
    with pytest.raises(Conflict):
        create(managing, owned=0, once_used=True)


def test_a_token_says_what_it_is_for_and_ends() -> None:
    day = timedelta(days=1)
    assert token_problems("t", SCOPES, 90 * day, 90 * day, SCOPES) == {}
    assert set(token_problems("", (), 91 * day, 90 * day, SCOPES)) == {"name", "scopes", "lifetime"}
    for scope in set(Scope) - set(SCOPES):
        assert set(token_problems("t", [scope], day, 90 * day, SCOPES)) == {"scopes"}
