"""The file of users, and its hashes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sciserver_hpc.directory import passwords
from sciserver_hpc.directory.static import StaticDirectory, entry
from sciserver_hpc.domain.errors import BadCredentials, Unavailable
from sciserver_hpc.domain.people import Person

ALICE = Person(username="alice", uid=1000, gid=1000)


def directory(path: Path, text: str) -> StaticDirectory:
    (path / "users.toml").write_text(text, "utf-8")
    return StaticDirectory(path / "users.toml")


def test_two_hashes_of_a_password_differ_and_both_match() -> None:
    first, second = passwords.hashed("x"), passwords.hashed("x")
    assert first != second
    assert passwords.matches("x", passwords.check_form(first))
    assert passwords.matches("x", passwords.check_form(second))
    assert not passwords.matches("y", first)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "$6$salt$hash",
        f"scrypt$1024$8$1${'a' * 32}${'b' * 64}",
        f"scrypt$16385$8$1${'a' * 32}${'b' * 64}",
        f"scrypt$67108864$8$1${'a' * 32}${'b' * 64}",
        f"scrypt$16384$8$1${'a' * 31}g${'b' * 64}",
        f"scrypt$16384$8$1${'a' * 32}${'b' * 64}\n",
    ],
)
def test_what_is_no_hash_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="password hash"):
        passwords.check_form(text)
    file = f'[[users]]\nusername = "alice"\nuid = 1000\ngid = 1000\npassword = {text!r}\n'
    with pytest.raises(Unavailable, match=r"users\.toml"):
        directory(tmp_path, file).ping()


@settings(max_examples=25, deadline=None)
@given(name=st.text(st.characters(codec="utf-8"), max_size=40), groups=st.frozensets(st.text('aé"\\\x7f\n')))
def test_an_entry_reads_back_as_the_person(
    tmp_path_factory: pytest.TempPathFactory, name: str, groups: frozenset[str]
) -> None:
    person = ALICE.model_copy(update={"full_name": name, "groups": groups, "admin": True})
    path = tmp_path_factory.mktemp("static")
    assert directory(path, entry(person, "x")).person("alice") == person


@pytest.mark.parametrize("text", ["[[users", "users = 3", '[[users]]\nusername = "x"', "\x00", "other = 1"])
def test_a_broken_file_is_unavailable_and_says_where(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unavailable, match=r"users\.toml"):
        directory(tmp_path, text).authenticate("alice", "x")


def test_a_name_twice_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="alice is there twice"):
        directory(tmp_path, entry(ALICE, "x") + entry(ALICE, "y")).ping()


def test_an_empty_password_is_refused_when_made_and_when_used(tmp_path: Path) -> None:
    for password in ("", "\0", "x\0", "x" * 1025):
        with pytest.raises(ValueError, match="1 to 1024 characters"):
            entry(ALICE, password)
    with pytest.raises(BadCredentials):
        directory(tmp_path, entry(ALICE, "x")).authenticate("alice", "")


def test_an_unknown_users_password_is_hashed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = passwords.matches

    def counting(password: str, text: str) -> bool:
        asked.append(text)
        return real(password, text)

    monkeypatch.setattr("sciserver_hpc.directory.static.matches", counting)
    users = directory(tmp_path, entry(ALICE, "x"))
    for username in ("alice", "nobody-of-that-name", "*"):
        with pytest.raises(BadCredentials):
            users.authenticate(username, "wrong")
    costs = {tuple(text.split("$")[:4]) for text in asked}
    assert len(asked) == 3
    assert len(costs) == 1
