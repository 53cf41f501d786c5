"""What every directory must do, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sciserver_hpc.directory.static import StaticDirectory, entry
from sciserver_hpc.domain.errors import BadCredentials, NotFound, Unavailable
from sciserver_hpc.domain.people import Person
from sciserver_hpc.ports import Directory
from tests.fakes.directory import FakeDirectory

from .slapd import READER, free_port

ALICE = Person(
    username="alice",
    uid=2001,
    gid=2001,
    full_name="Alice Adams",
    email="alice@example.org",
    groups=frozenset({"astro"}),
)
BOB = Person(
    username="bob",
    uid=2002,
    gid=2002,
    full_name="Bob Brown",
    groups=frozenset({"astro", "admins"}),
    admin=True,
)
PASSWORDS = ((ALICE, "alice-secret"), (BOB, "böb secret"))

Request = pytest.FixtureRequest


def _fake(_request: Request) -> Directory:
    fake = FakeDirectory()
    for person, password in PASSWORDS:
        fake.add(person, password)
    return fake


def _static(request: Request) -> Directory:
    path: Path = request.getfixturevalue("tmp_path") / "users.toml"
    path.write_text("\n".join(entry(person, password) for person, password in PASSWORDS), "utf-8")
    return StaticDirectory(path)


def _ldaps(request: Request) -> Directory:
    return request.getfixturevalue("slapd").directory()


def _starttls(request: Request) -> Directory:
    slapd = request.getfixturevalue("slapd")
    return slapd.directory(slapd.starttls(), READER)


def _no_fake(_request: Request) -> Directory:
    fake = FakeDirectory()
    fake.down = True
    return fake


def _no_file(request: Request) -> Directory:
    return StaticDirectory(request.getfixturevalue("tmp_path") / "nowhere.toml")


def _no_server(request: Request) -> Directory:
    slapd = request.getfixturevalue("slapd")
    return slapd.directory(slapd.ldaps(url=f"ldaps://127.0.0.1:{free_port()}"))


@pytest.fixture(params=[_fake, _static, _ldaps, _starttls])
def directory(request: Request) -> Directory:
    make: Callable[[Request], Directory] = request.param
    return make(request)


@pytest.fixture(params=[_no_fake, _no_file, _no_server])
def gone(request: Request) -> Directory:
    make: Callable[[Request], Directory] = request.param
    return make(request)


@pytest.mark.parametrize(("person", "password"), PASSWORDS)
def test_the_right_password_gives_the_person(directory: Directory, person: Person, password: str) -> None:
    assert directory.authenticate(person.username, password) == directory.person(person.username) == person


HOSTILE = [
    "",
    "*",
    "a*",
    ")(uid=*",
    "alice)(uid=*",
    "*)(|(uid=*",
    "alice\0",
    "\0",
    "alice\n",
    " alice",
    "Alice",
    "ALICE",
    "аlice",  # Cyrillic a
    "ａlice",  # full width
    "alice\u200e",
    "\ud800",
    "a" * 10_000,
    "uid=alice,ou=people,dc=example,dc=org",
    "\\61lice",
    "nobody-of-that-name",
]


@pytest.mark.parametrize("username", HOSTILE, ids=lambda name: ascii(name[:20]))
def test_hostile_and_unknown_names_are_nobody(directory: Directory, username: str) -> None:
    for password in ("alice-secret", "x"):
        with pytest.raises(BadCredentials):
            directory.authenticate(username, password)
    with pytest.raises(NotFound):
        directory.person(username)


@pytest.mark.parametrize(
    "password",
    ["", "wrong", "alice-secret ", "alice-secret\0", "Alice-secret", "*", "\ud800", "\u00ad", "x" * 10_000],
    ids=lambda word: ascii(word[:20]),
)
def test_wrong_and_unknown_are_told_in_the_same_words(directory: Directory, password: str) -> None:
    words = set()
    for username in ("alice", "nobody-of-that-name", "*"):
        with pytest.raises(BadCredentials) as caught:
            directory.authenticate(username, password)
        words.add((str(caught.value), repr(caught.value.__cause__)))
    assert len(words) == 1


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("astro", True),
        ("ASTRO", True),
        ("astr", False),
        ("*", False),
        ("alice", False),
        ("astro)(cn=*", False),
    ],
)
def test_groups_are_known_by_name(directory: Directory, name: str, there: bool) -> None:
    assert directory.has_group(name) is there


@pytest.mark.parametrize("name", ["ASTRO", "admins", "*", "astr", "alice", "astro)(cn=*", "", "a\0b", "ü"])
def test_no_other_group_has_a_number(directory: Directory, name: str) -> None:
    with pytest.raises(NotFound):
        directory.gid(name)


def test_ping_says_what_answered(directory: Directory) -> None:
    assert directory.ping()


def test_a_directory_that_is_gone_is_unavailable(gone: Directory) -> None:
    for ask in (
        lambda: gone.authenticate("alice", "alice-secret"),
        lambda: gone.person("alice"),
        gone.ping,
    ):
        with pytest.raises(Unavailable):
            ask()
