"""Groups, grants and the audit trail by the client, against the portal over the real services."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.domain.access import Action
from sciserver_hpc.domain.errors import BadCredentials, Conflict, Invalid, NotFound, Refused
from sciserver_hpc.domain.groups import Role, Status, user
from sciserver_hpc.domain.people import Person
from tests.fakes.portal import listening
from tests.portal.house import PASSWORD, House

SHARED = "Storage/alice/shared"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.store.add_user_volume("Storage", "alice", "shared", "")
    yield made
    made.close()


@pytest.fixture
def url(house: House) -> Iterator[str]:
    with listening(house.app) as address:
        yield address


@pytest.fixture
def alice(url: str) -> Iterator[Client]:
    with Client.login(url, "alice", PASSWORD) as client:
        yield client


@pytest.fixture
def bob(url: str) -> Iterator[Client]:
    with Client.login(url, "bob", PASSWORD) as client:
        yield client


def test_a_group_from_its_making_to_its_end(alice: Client, bob: Client) -> None:
    made = alice.make_group("survey", "Looks up")
    assert (made.owner, made.role, made.member) == ("alice", Role.OWNER, True)
    assert alice.make_group("survey", "Looks up") == made
    with pytest.raises(NotFound):
        bob.group("survey")
    assert alice.invite("survey", "bob", "admin").status is Status.INVITED
    assert [(one.group, one.role) for one in bob.invitations()] == [("survey", Role.ADMIN)]
    assert [one.member for one in alice.invitations("survey")] == [user("bob")]
    assert bob.accept("survey").counts
    assert [(one.member.name, one.role) for one in bob.members("survey")] == [
        ("alice", Role.OWNER),
        ("bob", Role.ADMIN),
    ]
    assert alice.set_role("survey", "bob", "member").role is Role.MEMBER
    offer = alice.transfer_group("survey", "bob")
    assert (offer.role, offer.status) == (Role.OWNER, Status.INVITED)
    assert bob.accept("survey").role is Role.OWNER
    assert bob.describe_group("survey", public=True).description == "Looks up"
    assert [one.name for one in alice.public_groups()] == ["survey"]
    assert alice.leave("survey").status is Status.LEFT
    assert alice.join("survey").counts
    assert bob.remove_member("survey", "alice").barred
    with pytest.raises(Refused):
        alice.join("survey")
    bob.delete_group("survey")
    assert [(one.name, one.source) for one in bob.groups()] == [("astro", "directory")]


def test_groups_in_groups(alice: Client, bob: Client) -> None:
    alice.make_group("survey")
    bob.make_group("team", public=True)
    assert alice.invite("survey", "directory:astro").status is Status.ACCEPTED
    alice.invite("survey", "group:team")
    assert bob.decline("survey", in_place_of="team").status is Status.DECLINED
    alice.invite("survey", "group:team")
    assert alice.withdraw("survey", "group:team").status is Status.WITHDRAWN
    alice.invite("survey", "group:team")
    assert bob.accept("survey", in_place_of="team").counts
    assert bob.leave("survey", in_place_of="team").status is Status.LEFT


def test_members_come_page_by_page(house: House, alice: Client) -> None:
    alice.make_group("survey")
    names = [f"p{number:03}" for number in range(120)]
    for number, name in enumerate(names):
        house.people.add(Person(username=name, uid=3000 + number, gid=3000), PASSWORD)
        house.store.remember_person(Person(username=name, uid=3000 + number, gid=3000))
        alice.invite("survey", name)
        house.services.groups.accept(house.asker(name), "survey")
    assert [one.member.name for one in alice.members("survey")] == ["alice", *names]


def test_a_grant_given_looked_at_and_taken_back(alice: Client, bob: Client) -> None:
    end = datetime(2027, 1, 1, tzinfo=UTC)
    assert [one.id for one in alice.give(SHARED, "bob", "writer", dry_run=True)] == [0, 0]
    assert list(alice.grants(SHARED)) == []
    given = alice.give(SHARED, "bob", "writer", until=end)
    assert [(one.action, one.expires) for one in given] == [(Action.READ, end), (Action.WRITE, end)]
    assert list(alice.grants(SHARED)) == list(alice.grants()) == list(bob.shared_with_me()) == given
    assert bob.explain("write", SHARED).allowed
    assert "until 2027-01-01" in alice.explain(Action.READ, SHARED, "bob").sentence
    assert alice.revoke(SHARED, "bob", "write", dry_run=True) == given[1:]
    assert alice.revoke(SHARED, "bob", "write") == given[1:]
    alice.revoke_grant(given[0].id)
    assert not bob.explain("read", SHARED).allowed
    assert alice.revoke(SHARED, "bob") == []


def test_a_job_is_shared(alice: Client, bob: Client) -> None:
    job = alice.submit_shell("true")
    alice.give(f"job:{job.id}", "directory:astro", "reader")
    assert bob.explain("read", f"job:{job.id}").allowed


def test_the_trail_tells_all_newest_first(alice: Client, bob: Client) -> None:
    alice.make_group("survey")
    for _ in range(60):
        alice.give(SHARED, "bob", "read")
        alice.revoke(SHARED, "bob")
    acts = [(entry.act, entry.who) for entry in alice.audit()]
    assert acts == [("revoke", "alice"), ("grant", "alice")] * 60 + [("group.create", "alice")]
    assert len(list(alice.audit(SHARED))) == 120
    with pytest.raises(NotFound):
        list(bob.audit("group:survey"))


def test_people_are_found_by_their_names(alice: Client, bob: Client) -> None:
    assert [(one.username, one.full_name) for one in alice.people("bro")] == [("bob", "Bob Brown")]


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 65, "a b", "é", "a\n"])
def test_what_is_no_groups_name_goes_nowhere(alice: Client, name: str) -> None:
    for ask in (alice.group, alice.make_group, alice.delete_group, alice.accept):
        with pytest.raises(Invalid) as told:
            ask(name)
        assert set(told.value.problems) == {"group"}


def test_what_cannot_be_read_is_told_before_anything_is_sent(alice: Client) -> None:
    for ask, field in (
        (lambda: alice.give("nothing", "bob", "read"), "resource"),
        (lambda: alice.give(SHARED, "planet:mars", "read"), "subject"),
        (lambda: alice.give(SHARED, "bob", "use"), "actions"),
        (lambda: alice.invite("survey", "planet:mars"), "member"),
    ):
        with pytest.raises(Invalid) as told:
            ask()
        assert set(told.value.problems) == {field}


def test_errors_are_the_houses_own(alice: Client, bob: Client) -> None:
    alice.make_group("survey")
    with pytest.raises(Conflict):
        bob.make_group("s-urvey")
    with pytest.raises(Refused):
        alice.invite("survey", "alice")
    with pytest.raises(Invalid):
        alice.invite("survey", "nobody")
    with pytest.raises(NotFound):
        bob.give("Storage/alice/private", "alice", "read")


def test_a_service_account_from_its_making_to_its_end(alice: Client, bob: Client) -> None:
    made = alice.make_service_account("ci", "Nightly")
    assert (made.owner, made.mine, made.disabled_at) == (user("alice"), True, None)
    assert alice.make_service_account("svc:ci", "Nightly") == made
    assert alice.service_account("ci") == made == next(alice.service_accounts())
    secret, token = alice.make_service_token("ci", "nightly", ["groups:read", "groups:write"], 7)
    assert (token.kind, token.scopes) == ("service", ("groups:read", "groups:write"))
    bob.make_group("survey")
    assert bob.invite("survey", "svc:ci").status is Status.INVITED
    assert [one.member for one in alice.invitations()] == [user("svc:ci")]
    with Client(alice.url, secret) as program:
        assert program.accept("survey").counts
        with pytest.raises(Refused, match="after a login"):
            program.make_service_account("another")
        with pytest.raises(Refused, match="owns nothing"):
            program.make_group("mine")
        program.logout()
        with pytest.raises(BadCredentials):
            program.me()
    assert alice.service_tokens("ci") == []
    assert alice.leave("survey", "svc:ci").status is Status.LEFT
    assert alice.disable_service_account("ci").disabled_by == "alice"
    assert alice.enable_service_account("ci").disabled_at is None
    assert alice.describe_service_account("ci", "Hourly").description == "Hourly"
    with pytest.raises(Invalid):
        alice.make_service_token("ci", "nightly", ["jobs:write"], 7)
    with pytest.raises(Invalid, match="no name of a service account"):
        alice.service_account("../me")
    with pytest.raises(NotFound):
        bob.service_account("ci")
    alice.delete_service_account("ci")
    with pytest.raises(Conflict):
        bob.make_service_account("ci")
