"""Asking for a group of the portal to be a Unix group, and being told where that stands."""

from __future__ import annotations

from ..domain.access import Resource, ResourceKind
from ..domain.administration import Power
from ..domain.audit import Asker
from ..domain.errors import Conflict, NotFound
from ..domain.groups import Role, Standing, user
from ..domain.model import Model
from ..domain.people import Person
from ..domain.unix_groups import OnFiles, UnixGroup, asked, sentence
from ..ports import Clock, Store, Waker
from .administration import Administration
from .groups import Groups
from .trail import Act, Trail


class UnixGroupSeen(Model):
    """Where it stands. on: its owner wants it; name, gid: "" and None before it has them."""

    on: bool = False
    name: str = ""
    gid: int | None = None
    on_files: OnFiles = OnFiles.MEMBERS
    sentence: str


class UnixGroups:
    """The use cases. prefix: of the names of such groups; "" where the site keeps none."""

    def __init__(self, store: Store, clock: Clock, waker: Waker, groups: Groups, prefix: str = "") -> None:
        self._store = store
        self._clock = clock
        self._waker = waker
        self._groups = groups
        self._trail = Trail(store, clock)
        self._administration = Administration(store, clock)
        self._prefix = prefix

    @property
    def offered(self) -> bool:
        """Does the site keep any?"""
        return bool(self._prefix)

    def of(self, person: Person, name: str) -> UnixGroupSeen:
        """For members and administrators. Raises NotFound, Refused."""
        self._groups.members(person, name, limit=1)
        return _seen(self._store.unix_group(name))

    def ask(self, asker: Asker, name: str, on: bool) -> UnixGroupSeen:
        """Have one, or none any more: the owner's word. Raises NotFound, Refused, Conflict (not here)."""
        self._groups.get(asker.person, name)
        thing = Resource(kind=ResourceKind.GROUP, name=name)
        act = Act("group.unix", thing, detail="a Unix group" if on else "no Unix group")
        with self._trail.acting(asker, act) as told:
            group = self._store.group(name)
            if group is None:
                raise NotFound(f"There is no group {name} that you may know of.")
            told.owner = group.owner
            own = self._store.membership(name, user(asker.person.username))
            steward = self._administration.has(asker.person, Power.MANAGE_GROUPS)
            Standing(asker.person, group, own, steward).need(Role.OWNER)
            told.told = self._set(name, on)
        self._waker.wake()
        return _seen(self._store.unix_group(name))

    def _set(self, name: str, on: bool) -> bool:
        """False where it stands so already."""
        if on and not self._prefix:
            raise Conflict("This site keeps no Unix groups for groups of the portal.")
        now, row = self._clock.now(), self._store.unix_group(name)
        if row is None:
            new = UnixGroup(group=name, name=f"{self._prefix}{name}", on=on, due_at=now)
            self._store.add_unix_group(new)
            return True
        if row.on is on:
            return False
        if self._store.keep_unix_group(row, asked(row, on, now)) is None:
            raise Conflict("The broker is at work with this group; ask again in a moment.")
        return True


def _seen(row: UnixGroup | None) -> UnixGroupSeen:
    told = sentence(row)
    if row is None:
        return UnixGroupSeen(sentence=told)
    return UnixGroupSeen(on=row.on, name=row.name, gid=row.gid, on_files=row.on_files, sentence=told)
