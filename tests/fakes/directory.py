"""A directory of people in memory, which a test can take away."""

from __future__ import annotations

from sciserver_hpc.domain.errors import BadCredentials, NotFound, Unavailable
from sciserver_hpc.domain.people import Person


class FakeDirectory:
    """`ports.Directory`: `add` people; set `down` and it answers nobody."""

    def __init__(self) -> None:
        self.down = False
        self.gids: dict[str, int] = {}
        self._people: dict[str, tuple[Person, str]] = {}

    def add(self, person: Person, password: str) -> None:
        """Let them log in; a person of the same name is replaced."""
        self._people[person.username] = (person, password)

    def remove(self, username: str) -> None:
        """They left."""
        del self._people[username]

    def authenticate(self, username: str, password: str) -> Person:
        self._answer()
        person, expected = self._people.get(username, (None, ""))
        if person is None or not password or password != expected:
            raise BadCredentials("User name or password is wrong.")
        return person

    def person(self, username: str) -> Person:
        self._answer()
        if username not in self._people:
            raise NotFound(f"The directory knows no user {username!r}.")
        return self._people[username][0]

    def has_group(self, name: str) -> bool:
        self._answer()
        people = (person for person, _ in self._people.values())
        return name.casefold() in {group.casefold() for person in people for group in person.groups}

    def gid(self, group: str) -> int:
        self._answer()
        if group not in self.gids:
            raise NotFound(f"The directory tells no gid for a group {group}.")
        return self.gids[group]

    def ping(self) -> str:
        self._answer()
        return f"fake directory, {len(self._people)} users"

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("directory", "it is down")
