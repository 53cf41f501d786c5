"""Service accounts: which tokens are good, by any sequence of calls; what an account has, and never has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from sciserver_hpc.domain.access import Action, Resource, Subject, SubjectKind
from sciserver_hpc.domain.audit import Asker, Entry, Outcome
from sciserver_hpc.domain.errors import Invalid, NotFound, Refused, SciServerError
from sciserver_hpc.domain.groups import Accessibility, Role, Status, user
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.service_accounts import SCOPES
from sciserver_hpc.domain.tokens import Scope
from sciserver_hpc.services.digest import digest
from sciserver_hpc.services.people import REFRESH
from sciserver_hpc.services.service_accounts import ServiceAccounts

from .world import World, shell

PEOPLE = {
    name: Person(username=name, uid=uid, gid=uid, admin=name == "root1")
    for uid, name in enumerate(("alice", "bob", "carol", "root1"), 2001)
}
RED = Subject(kind=SubjectKind.PORTAL_GROUP, name="red")
CI = user("svc:ci")
NAMES = ("ci", "dash")
DAY = timedelta(days=1)
LONGEST = timedelta(days=90)

WHO = st.sampled_from(["alice", *PEOPLE, "carol"])
NAME = st.sampled_from(NAMES)
PICK = st.integers(0, 1000)


def a_world(folder: Path) -> World:
    """alice owns group red, bob is its admin, carol a member; root1 administers the site."""
    world = World(folder)
    world.people.people = dict(PEOPLE)
    for person in PEOPLE.values():
        world.store.remember_person(person)
    alice = asker("alice")
    world.groups.create(alice, "red", "", "private")
    for name, role in (("bob", Role.ADMIN), ("carol", Role.MEMBER)):
        world.groups.invite(alice, "red", user(name), role)
        world.groups.accept(asker(name), "red")
    return world


def asker(name: str) -> Asker:
    return Asker(PEOPLE[name], f"request-of-{name}")


@dataclass
class Account:
    """As the model has it."""

    owner: str
    off: bool = False
    locked: bool = False
    tokens: dict[str, datetime] = field(default_factory=dict)
    """Secret → when it ends."""


class Machine(RuleBasedStateMachine):
    """The services beside a model written from the rules: accounts, and which of their secrets are good."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()

    @initialize()
    def begin(self) -> None:
        self.world = a_world(Path(self.folder.name))
        self.known = ServiceAccounts(self.world.store, self.world.clock, LONGEST)
        self.rank = {"alice": 2, "bob": 2, "carol": 1, "root1": 0}
        self.there = set(PEOPLE)
        self.accounts: dict[str, Account] = {}
        self.used: set[str] = set()
        self.over: list[str] = []
        for who, name, own in (("alice", "ci", False), ("carol", "dash", True)):
            self.create(who, name, own)
            self.make_token(who, name, 90)

    def teardown(self) -> None:
        self.world.store.close()
        self.folder.cleanup()

    # the model
    def manages(self, who: str, owner: str) -> bool:
        return self.rank[who] == 2 if owner == "red" else who == owner

    def good(self, account: Account) -> bool:
        managers = {who for who in PEOPLE if self.manages(who, account.owner)}
        return not account.off and bool(managers & self.there)

    def tried(self, name: str, may: Callable[[Account], bool], do: Callable[[], object]) -> Account | None:
        """Do it; return the account where the model says that it may be done."""
        account = self.accounts.get(name)
        if account is not None and may(account):
            do()
            return account
        with pytest.raises(SciServerError):
            do()
        return None

    # what happens
    @rule(who=WHO, name=NAME, own=st.booleans())
    def create(self, who: str, name: str, own: bool) -> None:
        owner = who if own else "red"
        there = self.accounts.get(name)
        same = there is not None and there.owner == owner
        if self.manages(who, owner) and (same or name not in self.used):
            _, new = self.known.create(asker(who), name, "", None if own else RED)
            assert new is not same
            self.accounts.setdefault(name, Account(owner))
            self.used.add(name)
            return
        with pytest.raises(SciServerError):
            self.known.create(asker(who), name, "", None if own else RED)

    @rule(who=WHO, name=NAME, days=st.sampled_from([2, 30, 90, 91]))
    def make_token(self, who: str, name: str, days: int) -> None:
        made: list[str] = []

        def do() -> None:
            made.append(self.known.make_token(asker(who), name, "t", SCOPES, timedelta(days=days))[0])

        def may(account: Account) -> bool:
            return self.manages(who, account.owner) and days <= 90 and len(self.live(account)) < 20

        if account := self.tried(name, may, do):
            account.tokens[made[0]] = self.world.clock.now() + timedelta(days=days)

    def live(self, account: Account) -> list[str]:
        return [secret for secret, end in account.tokens.items() if end > self.world.clock.now()]

    @rule(who=WHO, name=NAME, pick=PICK, rotate=st.booleans())
    def end_token(self, who: str, name: str, pick: int, rotate: bool) -> None:
        account = self.accounts.get(name)
        live = self.live(account) if account else []
        if not live:
            return
        secret = live[pick % len(live)]
        token = self.world.store.token(digest(secret), self.world.clock.now())
        assert token is not None
        number = token.id
        made: list[str] = []

        def do() -> None:
            if rotate:
                made.append(self.known.rotate(asker(who), name, number, DAY)[0])
            else:
                self.known.revoke(asker(who), name, number)

        def may(account: Account) -> bool:
            return self.manages(who, account.owner) or (who == "root1" and not rotate)

        if found := self.tried(name, may, do):
            del found.tokens[secret]
            self.over.append(secret)
            found.tokens |= dict.fromkeys(made, self.world.clock.now() + DAY)

    @rule(who=WHO, name=NAME)
    def disable(self, who: str, name: str) -> None:
        def may(account: Account) -> bool:
            return self.manages(who, account.owner) or who == "root1"

        if account := self.tried(name, may, lambda: self.known.disable(asker(who), name)):
            account.locked = account.locked or not self.manages(who, account.owner)
            account.off = True

    @rule(who=WHO, name=NAME)
    def enable(self, who: str, name: str) -> None:
        def may(account: Account) -> bool:
            return who == "root1" if account.locked else self.manages(who, account.owner)

        if account := self.tried(name, may, lambda: self.known.enable(asker(who), name)):
            account.off = account.locked = False

    @rule(who=WHO, name=NAME, pick=st.integers(0, 9))
    def delete(self, who: str, name: str, pick: int) -> None:
        if pick:
            return

        def may(account: Account) -> bool:
            return self.manages(who, account.owner) or who == "root1"

        if account := self.tried(name, may, lambda: self.known.delete(asker(who), name)):
            self.over += account.tokens
            del self.accounts[name]

    @rule(who=st.sampled_from(["bob", "carol"]), admin=st.booleans())
    def promote_or_demote(self, who: str, admin: bool) -> None:
        self.world.groups.set_role(asker("alice"), "red", user(who), Role.ADMIN if admin else Role.MEMBER)
        self.rank[who] = 2 if admin else 1

    @rule(who=WHO)
    def leave_or_come_back(self, who: str) -> None:
        """To the directory, or out of it; what was known of them grows old."""
        self.there ^= {who}
        self.world.people.people = {name: PEOPLE[name] for name in self.there}
        self.world.clock.advance(REFRESH.total_seconds())

    @rule()
    def a_day_passes(self) -> None:
        self.world.clock.advance(DAY.total_seconds())

    @invariant()
    def good_tokens_are_those_of_the_model(self) -> None:
        resolve = self.world.login.resolve
        for name, account in self.accounts.items():
            live = self.live(account)
            for secret in account.tokens:
                known = resolve(secret)
                assert (known is not None) == (secret in live and self.good(account))
                assert known is None or (known[0].username, known[0].admin) == (f"svc:{name}", False)
        assert [resolve(secret) for secret in self.over] == [None] * len(self.over)


def test_good_tokens_are_those_of_the_rules() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=40, stateful_step_count=40, deadline=None)
    )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = a_world(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def known(world: World) -> ServiceAccounts:
    """With account `ci` of carol's."""
    made = ServiceAccounts(world.store, world.clock, LONGEST)
    made.create(asker("carol"), "ci", "Nightly")
    return made


def program(world: World, known: ServiceAccounts) -> Person:
    """`ci` as one that asks."""
    secret, _ = known.make_token(asker("carol"), "ci", "t", SCOPES, DAY)
    found = world.login.resolve(secret)
    assert found is not None
    return found[0]


def test_what_is_for_everyone_is_not_for_a_program(world: World, known: ServiceAccounts) -> None:
    asking = program(world, known)
    assert world.catalogue.domains(PEOPLE["carol"]) and world.catalogue.domains(asking) == []
    assert world.sharing.usable(asking) == []


def test_nothing_runs_as_a_program(world: World, known: ServiceAccounts) -> None:
    asking = program(world, known)
    for ask in (world.jobs.submit, world.jobs.preview, world.jobs.test_only):
        with pytest.raises(Refused, match="no Unix user"):
            ask(asking, shell())  # type: ignore[operator]


def test_an_expelled_person_does_not_look_on_through_their_program(
    world: World, known: ServiceAccounts
) -> None:
    world.groups.invite(asker("alice"), "red", CI)
    world.groups.accept(asker("carol"), "red", CI)
    asking = program(world, known)
    assert [seen.group.name for seen in world.groups.mine(asking)] == ["red"]
    world.groups.remove(asker("alice"), "red", user("carol"))
    assert world.groups.mine(asking) == []
    theirs = world.store.membership("red", CI)
    assert theirs is not None and theirs.status is Status.EXPELLED and theirs.barred


@pytest.mark.parametrize("owner", [None, Subject(kind=SubjectKind.PORTAL_GROUP, name="ours")], ids=str)
def test_who_was_expelled_does_not_come_back_through_a_program(world: World, owner: Subject | None) -> None:
    """Neither by joining, where the group is public, nor by an invitation that was open before."""
    known, carol = ServiceAccounts(world.store, world.clock, LONGEST), asker("carol")
    world.groups.create(carol, "ours", "", Accessibility.PRIVATE)
    known.create(carol, "ci", "", owner)
    world.groups.describe(asker("alice"), "red", accessibility=Accessibility.PUBLIC)
    asking = Asker(program(world, known))
    assert world.groups.join(asking, "red").counts
    world.groups.leave(asking, "red")
    world.groups.remove(asker("alice"), "red", user("carol"))
    with pytest.raises(Refused, match="was removed from it"):
        world.groups.join(asking, "red")
    world.groups.invite(asker("alice"), "red", CI)
    assert world.groups.join(asking, "red").counts


def test_an_open_invitation_of_their_program_ends_with_an_expelled_person(
    world: World, known: ServiceAccounts
) -> None:
    world.groups.invite(asker("alice"), "red", CI)
    world.groups.remove(asker("alice"), "red", user("carol"))
    with pytest.raises(SciServerError):
        world.groups.accept(asker("carol"), "red", CI)
    assert world.groups.mine(program(world, known)) == []


def test_a_program_is_in_at_once_where_one_manages_both(world: World, known: ServiceAccounts) -> None:
    assert not world.groups.invite(asker("bob"), "red", CI).counts
    known.create(asker("bob"), "dash", "", RED)
    assert world.groups.invite(asker("bob"), "red", user("svc:dash")).counts
    with pytest.raises(Refused, match="only people can be admins"):
        world.groups.set_role(asker("alice"), "red", user("svc:dash"), Role.ADMIN)
    with pytest.raises(Refused, match="only a person can own"):
        world.groups.transfer(asker("alice"), "red", user("svc:dash"))


def test_a_program_gives_no_more_than_it_has(world: World, known: ServiceAccounts) -> None:
    world.store.add_user_volume("Storage", "alice", "shared", "")
    shared, asking = Resource(kind="user_volume", name="Storage/alice/shared"), program(world, known)
    world.sharing.give(asker("alice"), shared, CI, [Action.READ, Action.GRANT])
    me = Asker(asking)
    [share] = world.sharing.give(me, shared, user("bob"), [Action.READ])
    assert share.grant.granted_by == "svc:ci"
    with pytest.raises(Refused, match="what you lack"):
        world.sharing.give(me, shared, user("bob"), [Action.WRITE])
    meaning = world.entitled.meaning(CI)
    assert meaning.named == frozenset() and meaning.unknown == ""
    assert [line.who for line in known_trail(world, known)][:2] == ["svc:ci", "svc:ci"]


def known_trail(world: World, known: ServiceAccounts) -> list[Entry]:
    return world.audit.entries(PEOPLE["carol"], known.get(PEOPLE["carol"], "ci").account.resource)


def test_all_of_it_is_in_the_trail(world: World, known: ServiceAccounts) -> None:
    carol = asker("carol")
    _, token = known.make_token(carol, "ci", "nightly", [Scope.JOBS_READ], DAY)
    known.rotate(carol, "ci", token.id, DAY)
    with pytest.raises(Invalid):
        known.make_token(carol, "ci", "wide", [Scope.JOBS_WRITE], DAY)
    known.revoke(carol, "ci", token.id)
    with pytest.raises(Refused):
        known.make_token(asker("root1"), "ci", "theirs", [Scope.JOBS_READ], DAY)
    known.disable(asker("root1"), "ci")
    with pytest.raises(Refused):
        known.enable(carol, "ci")
    told = [(line.who, line.act, line.detail, line.outcome) for line in known_trail(world, known)]
    assert told[::-1] == [
        ("carol", "service.create", "", Outcome.DONE),
        ("carol", "service.token", "nightly: jobs:read", Outcome.DONE),
        ("carol", "service.rotate", "nightly", Outcome.DONE),
        ("carol", "service.token", "wide: jobs:write", Outcome.REFUSED),
        ("carol", "service.revoke", "nightly", Outcome.DONE),
        ("root1", "service.token", "theirs: jobs:read", Outcome.REFUSED),
        ("root1", "service.disable", "", Outcome.DONE),
        ("carol", "service.enable", "", Outcome.REFUSED),
    ]
    with pytest.raises(NotFound):
        world.audit.entries(PEOPLE["bob"], known.get(PEOPLE["carol"], "ci").account.resource)


def test_no_name_of_a_person_is_a_programs(world: World, known: ServiceAccounts) -> None:
    for name in ("svc:ci", "ci"):
        with pytest.raises(SciServerError):
            world.login.password(name, "", "192.0.2.1")
    named = Subject(kind=SubjectKind.USER, name="svc:ci")
    world.store.add_user_volume("Storage", "alice", "shared", "")
    shared = Resource(kind="user_volume", name="Storage/alice/shared")
    with pytest.raises(Invalid):
        world.sharing.give(asker("alice"), shared, named, [Action.READ])


def test_a_deleted_account_leaves_nothing_and_its_name_to_nobody(
    world: World, known: ServiceAccounts
) -> None:
    world.groups.invite(asker("alice"), "red", CI)
    world.store.add_user_volume("Storage", "alice", "shared", "")
    shared = Resource(kind="user_volume", name="Storage/alice/shared")
    world.sharing.give(asker("alice"), shared, CI, [Action.READ])
    known.make_token(asker("carol"), "ci", "t", SCOPES, DAY)
    known.delete(asker("carol"), "ci")
    assert world.store.shares_on(shared) == []
    assert world.store.membership("red", CI) is None
    assert world.store.tokens("svc:ci", world.clock.now()) == []
    for name in ("ci", "c1"):
        with pytest.raises(SciServerError, match="reads like the name"):
            known.create(asker("alice"), name)


def test_a_group_that_ended_answers_for_nothing(world: World, known: ServiceAccounts) -> None:
    known.create(asker("bob"), "dash", "", RED)
    secret, _ = known.make_token(asker("alice"), "dash", "t", SCOPES, DAY)
    assert world.login.resolve(secret) is not None
    world.groups.delete(asker("alice"), "red")
    assert world.login.resolve(secret) is None
    with pytest.raises(NotFound):
        known.get(PEOPLE["alice"], "dash")
    assert [account.name for account in known.every(PEOPLE["root1"])] == ["ci", "dash"]


def test_people_who_left_are_not_asked_for_at_each_request(world: World, known: ServiceAccounts) -> None:
    known.create(asker("bob"), "dash", "", RED)
    secret, _ = known.make_token(asker("bob"), "dash", "t", SCOPES, DAY)
    del world.people.people["alice"]
    assert world.login.resolve(secret) is not None
    before = world.people.calls
    for _ in range(5):
        assert world.login.resolve(secret) is not None
    assert world.people.calls == before
