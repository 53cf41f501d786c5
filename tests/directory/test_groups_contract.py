"""What every branch for groups of the portal must do, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sciserver_hpc.domain.errors import Conflict, Unavailable
from sciserver_hpc.domain.unix_groups import Ensured, UnixEntry
from sciserver_hpc.ports import GroupDirectory
from tests.fakes.group_directory import FakeGroupDirectory

from .slapd import free_port

Request = pytest.FixtureRequest
TEAM, GID = "portal-team", 7001
FOREIGN = UnixEntry(name="portal-foreign", gid=7999, members=frozenset({"bob"}), ours=False)
SMUGGLED = UnixEntry(name="smuggled", gid=7997, members=frozenset({"bob"}), ours=False)


def _fake(_request: Request) -> GroupDirectory:
    fake = FakeGroupDirectory()
    fake.entries = {one.name: one for one in (FOREIGN, SMUGGLED)}
    fake.elsewhere = {"portal-outside": 7998, "alice": 2001}
    return fake


def _ldaps(request: Request) -> GroupDirectory:
    return request.getfixturevalue("slapd").groups()


def _starttls(request: Request) -> GroupDirectory:
    slapd = request.getfixturevalue("slapd")
    return slapd.groups(slapd.starttls())


def _no_fake(_request: Request) -> GroupDirectory:
    fake = FakeGroupDirectory()
    fake.down = True
    return fake


def _no_server(request: Request) -> GroupDirectory:
    slapd = request.getfixturevalue("slapd")
    return slapd.groups(slapd.ldaps(url=f"ldaps://127.0.0.1:{free_port()}"))


@pytest.fixture(params=[_fake, _ldaps, _starttls])
def branch(request: Request) -> Iterator[GroupDirectory]:
    make: Callable[[Request], GroupDirectory] = request.param
    made = make(request)
    yield made
    for entry in made.groups():
        if entry.ours:
            made.remove(entry.name)


@pytest.fixture(params=[_no_fake, _no_server])
def gone(request: Request) -> GroupDirectory:
    make: Callable[[Request], GroupDirectory] = request.param
    return make(request)


def ours(branch: GroupDirectory) -> list[UnixEntry]:
    return [one for one in branch.groups() if one.ours]


def test_a_group_is_made_once_with_its_members(branch: GroupDirectory) -> None:
    people = frozenset({"alice", "bob"})
    assert branch.ensure(TEAM, GID, people) == Ensured(made=True, added=people)
    assert not branch.ensure(TEAM, GID, people).changed
    assert ours(branch) == [UnixEntry(name=TEAM, gid=GID, members=people, ours=True)]
    assert branch.holder(GID)


def test_members_come_and_go(branch: GroupDirectory) -> None:
    branch.ensure(TEAM, GID, [])
    assert ours(branch)[0].members == frozenset()
    assert branch.ensure(TEAM, GID, ["alice"]) == Ensured(added=frozenset({"alice"}))
    swapped = branch.ensure(TEAM, GID, ["bob", "carol"])
    assert (swapped.removed, swapped.added) == (frozenset({"alice"}), frozenset({"bob", "carol"}))
    assert branch.ensure(TEAM, GID, []).removed == frozenset({"bob", "carol"})
    assert ours(branch)[0].members == frozenset()


def test_thousands_of_members_fit(branch: GroupDirectory) -> None:
    many = frozenset(f"user{number}" for number in range(3000))
    branch.ensure(TEAM, GID, many)
    assert branch.ensure(TEAM, GID, many - {"user7"}).removed == frozenset({"user7"})
    assert ours(branch)[0].members == many - {"user7"}


def test_a_group_goes(branch: GroupDirectory) -> None:
    branch.ensure(TEAM, GID, ["alice"])
    assert branch.remove(TEAM) is True
    assert branch.remove(TEAM) is False
    assert (ours(branch), branch.holder(GID)) == ([], "")


@pytest.mark.parametrize(
    ("name", "gid"),
    [
        ("portal-foreign", GID),
        ("portal-foreign", 7999),
        ("portal-outside", GID),
        (TEAM, 7999),
        (TEAM, 7998),
        (TEAM, 2001),
    ],
)
def test_what_others_have_is_not_taken(branch: GroupDirectory, name: str, gid: int) -> None:
    with pytest.raises(Conflict):
        branch.ensure(name, gid, ["alice"])
    assert branch.groups() == [FOREIGN, SMUGGLED]


def test_a_group_that_has_another_number_is_left(branch: GroupDirectory) -> None:
    branch.ensure(TEAM, GID, ["alice"])
    with pytest.raises(Conflict, match="another number"):
        branch.ensure(TEAM, GID + 1, ["bob"])
    assert ours(branch)[0].members == frozenset({"alice"})


def test_what_was_not_made_here_is_not_removed(branch: GroupDirectory) -> None:
    with pytest.raises(Conflict, match="not made by the portal"):
        branch.remove("portal-foreign")
    assert branch.remove("portal-outside") is False
    assert branch.intruders("portal-") == ["portal-outside"]


def test_ping_leaves_nothing_behind(branch: GroupDirectory) -> None:
    assert branch.ping()
    assert branch.groups() == [FOREIGN, SMUGGLED]


def test_a_directory_that_is_gone_is_unavailable(gone: GroupDirectory) -> None:
    for ask in (
        lambda: gone.ensure(TEAM, GID, ["alice"]),
        lambda: gone.remove(TEAM),
        lambda: gone.holder(GID),
        gone.groups,
        gone.ping,
    ):
        with pytest.raises(Unavailable):
            ask()
