"""The branch for groups of the portal, in memory, beside whatever else the directory holds."""

from __future__ import annotations

from collections.abc import Collection

from sciserver_hpc.domain.errors import Conflict, Unavailable
from sciserver_hpc.domain.unix_groups import Ensured, UnixEntry


class FakeGroupDirectory:
    """`ports.GroupDirectory`. entries: what stands in the branch, by name; elsewhere: number by name of other
    groups, and of people whose own group it is; down: it answers nobody. deaf: how many further requests it
    does, but does not answer."""

    def __init__(self) -> None:
        self.entries: dict[str, UnixEntry] = {}
        self.elsewhere: dict[str, int] = {}
        self.down = False
        self.deaf = 0
        self.told: list[tuple[str, frozenset[str]]] = []

    def ensure(self, name: str, gid: int, members: Collection[str]) -> Ensured:
        self._answer()
        wanted = frozenset(members)
        found = self._own(name)
        holder = next((other for other in self._holders(gid) if other != name), None)
        if holder is not None:
            raise Conflict(f"Number {gid} is {holder}'s in the directory.")
        if found is None and name in self.elsewhere:
            raise Conflict(f"The name {name} is taken in the directory.")
        if found is not None and found.gid != gid:
            raise Conflict(f"{name} has another number than {gid}; an administrator corrects it.")
        self.told.append((name, wanted))
        self.entries[name] = UnixEntry(name=name, gid=gid, members=wanted, ours=True)
        self._be_heard()
        there = found.members if found else frozenset()
        return Ensured(made=found is None, added=wanted - there, removed=there - wanted)

    def remove(self, name: str) -> bool:
        self._answer()
        found = self._own(name)
        if found is not None:
            del self.entries[name]
        self._be_heard()
        return found is not None

    def holder(self, gid: int) -> str:
        self._answer()
        return next(iter(self._holders(gid)), "")

    def groups(self) -> list[UnixEntry]:
        self._answer()
        return [self.entries[name] for name in sorted(self.entries)]

    def intruders(self, prefix: str) -> list[str]:
        self._answer()
        return sorted(name for name in self.elsewhere if name.startswith(prefix))

    def ping(self) -> str:
        self._answer()
        return "groups in memory"

    def _own(self, name: str) -> UnixEntry | None:
        found = self.entries.get(name)
        if found is not None and not found.ours:
            raise Conflict(f"{name} was not made by the portal; an administrator moves it away.")
        return found

    def _holders(self, gid: int) -> list[str]:
        inside = [entry.name for entry in self.entries.values() if entry.gid == gid]
        return sorted([*inside, *(name for name, number in self.elsewhere.items() if number == gid)])

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("ldap", "it is down")

    def _be_heard(self) -> None:
        if self.deaf:
            self.deaf -= 1
            raise Unavailable("ldap", "timed out")
