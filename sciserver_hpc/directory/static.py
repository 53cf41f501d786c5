"""A file of users, for single-user mode: one person, or a few, on a machine without LDAP.

```toml
[[users]]
username = "alice"
uid = 1000
gid = 1000
full_name = "Alice Adams"
groups = ["astro"]
password = "scrypt$16384$8$1$…"
```
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from pydantic import ValidationError, field_validator

from ..domain.errors import BadCredentials, NotFound, Unavailable
from ..domain.model import Model
from ..domain.people import Person
from ..domain.problems import problems
from .passwords import check_form, hashed, matches
from .usernames import WRONG, is_username, unknown

_NOBODY = hashed("nobody")
"""What an unknown user's password is compared with, so that it takes as long as a known one's."""


class Entry(Person):
    """A person of the file, with the hash of their password."""

    password: str

    @field_validator("password")
    @classmethod
    def _is_hash(cls, value: str) -> str:
        return check_form(value)


class _File(Model):
    users: tuple[Entry, ...] = ()

    @field_validator("users")
    @classmethod
    def _distinct(cls, value: tuple[Entry, ...]) -> tuple[Entry, ...]:
        names = [found.username for found in value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is there twice; remove one")
        return value


def entry(person: Person, password: str) -> str:
    """A person as lines of the file.

    Raises ValueError for a password that is empty, endless or holds a NUL.
    """
    values = person.model_dump(mode="json") | {"groups": sorted(person.groups), "password": hashed(password)}
    # JSON's strings, numbers, booleans and lists of strings are TOML's, but for DEL.
    lines = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())
    return "\n".join(["[[users]]", *lines, ""]).replace("\x7f", "\\u007f")


class StaticDirectory:
    """`ports.Directory` over the file at `path`, read anew at each call: it is small, and may change."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def authenticate(self, username: str, password: str) -> Person:
        """See `ports.Directory`."""
        found = self._entries().get(username) if is_username(username) else None
        fits = matches(password, found.password if found else _NOBODY)
        if found is None or not fits:
            raise BadCredentials(WRONG)
        return _person(found)

    def person(self, username: str) -> Person:
        """See `ports.Directory`."""
        found = self._entries().get(username)
        if found is None:
            raise NotFound(unknown(username))
        return _person(found)

    def has_group(self, name: str) -> bool:
        """See `ports.Directory`."""
        named = (group.casefold() for found in self._entries().values() for group in found.groups)
        return name.casefold() in named

    def gid(self, group: str) -> int:
        """See `ports.Directory`. The file tells of none."""
        raise NotFound(f"The file of users tells no gid for a group {group}.")

    def ping(self) -> str:
        """See `ports.Directory`."""
        return f"file {self._path}, {len(self._entries())} users"

    def _entries(self) -> dict[str, Entry]:
        try:
            file = _File.model_validate(tomllib.loads(self._path.read_text("utf-8")))
        except OSError as error:
            raise Unavailable("directory", f"{self._path}: {error.strerror}") from error
        except ValidationError as error:
            field, sentence = next(iter(problems(error).items()))
            raise Unavailable("directory", f"{self._path}: {field}: {sentence}") from None
        except ValueError as error:
            raise Unavailable("directory", f"{self._path} is not TOML: {error}") from None
        return {found.username: found for found in file.users}


def _person(found: Entry) -> Person:
    return Person.model_validate(found.model_dump(exclude={"password"}))
