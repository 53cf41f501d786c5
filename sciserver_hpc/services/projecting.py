"""Grants on user volumes, brought to the filesystem by agents: a bounded step at a time, from rows alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from ..domain.access import Resource, ResourceKind
from ..domain.acl import Entry, Named, Tag
from ..domain.acl_walk import AclSlice
from ..domain.applied import left_words
from ..domain.audit import BROKER
from ..domain.audit import Entry as Line
from ..domain.errors import NotFound, SciServerError, Unavailable
from ..domain.people import Person
from ..domain.scheduling import Owner
from ..domain.upkeep import (
    BUSY,
    Phase,
    Upkeep,
    after,
    failed,
    planned,
    put_off,
    rested,
    way,
    without_guest,
)
from ..ports import Agents, Clock, Store
from .entitled import Entitled, Wanted

log = structlog.get_logger(__name__)

STEPS = 6
"""Slices of one errand; then others have their turn."""

LIMIT, MILLISECONDS = 10_000, 500
"""How far one slice goes: inodes, and time of the owner's agent."""

_DUE_MOST = 1000
_NAMES_MOST = 20

Address = tuple[str, str, str]
"""Root, owner and name of a volume."""


@dataclass(frozen=True)
class Waiting:
    """A volume that has work, and whose agent it waits for."""

    volume: Address
    agent: Owner


@dataclass(frozen=True)
class _Site:
    """What a step needs to know: whose volume, where it is, what is wanted of it."""

    owner: Person
    path: str
    wanted: Wanted


class Projecting:
    """Keeps volumes as their grants want them.

    every: time between two looks for drift; limit: inodes a slice at most.
    """

    def __init__(
        self,
        store: Store,
        agents: Agents,
        clock: Clock,
        entitled: Entitled,
        every: timedelta,
        limit: int = LIMIT,
    ) -> None:
        self._store = store
        self._agents = agents
        self._clock = clock
        self._entitled = entitled
        self._every = every
        self._limit = limit

    def due(self) -> list[Waiting]:
        """What there is to do now, longest due first. Raises Unavailable (the database)."""
        due = self._store.upkeeps_due(self._clock.now(), _DUE_MOST)
        owners = {person.username: person for person in self._store.people_named(one.owner for one in due)}
        waiting = {one.guest for one in due if one.guest is not None}
        guests = {person.uid: person for person in self._store.people_with(waiting)}
        found = []
        for one in due:
            volume = (one.root, one.owner, one.name)
            person = guests.get(one.guest or 0) or owners.get(one.owner)
            if person is None:
                self.step(volume)  # it is put off
            else:
                found.append(Waiting(volume, _owner(person)))
        return found

    def work(self, volumes: Sequence[Address], go_on: Callable[[], bool]) -> bool:
        """Some steps with volumes that wait for one agent, in turn, while `go_on` says so.

        False when that agent did not answer: then the others are put off too. Raises Unavailable.
        """
        waiting = deque(volumes)
        for _ in range(STEPS):
            if not waiting or not go_on():
                break
            volume = waiting.popleft()
            try:
                if self.step(volume):
                    waiting.append(volume)
            except Unavailable as error:
                if error.system != "agent":
                    raise
                self._put_off(waiting, error)
                return False
        return True

    def step(self, volume: Address) -> bool:
        """One slice of what a volume needs; True: it needs another at once, of the same agent.

        Raises Unavailable: the agent did not answer, which is recorded; the database is away.
        """
        now = self._clock.now()
        row = self._store.upkeep(*volume)
        if row is None or row.due_at is None or row.due_at > now or (row.busy_until or now) > now:
            return False
        try:
            site = self._look_up(row, now)
        except SciServerError as error:
            self._store.keep_up(row, put_off(row, error, now))
            return False
        plan = planned(row, site.wanted.entries, now, self._every)
        if plan.phase is Phase.REST:
            self._store.keep_up(row, rested(plan, site.wanted.changes_at, self._every))
            return False
        walker = self._walker(plan, site.owner)
        if walker is None:
            self._store.keep_up(row, without_guest(plan))
            return False
        sent = self._store.keep_up(row, plan.model_copy(update={"busy_until": now + BUSY}))
        return sent is not None and self._send(sent, site, walker)

    def _send(self, sent: Upkeep, site: _Site, walker: Person) -> bool:
        try:
            part = self._call(sent, site, walker)
        except SciServerError as error:
            log.info("volume not kept", volume=sent.ref, phase=sent.phase, error=str(error))
            next_row = failed(sent, error, self._clock.now())
            kept = self._keep(sent, next_row, site)
            if isinstance(error, Unavailable):
                raise
        else:
            next_row = after(sent, part, self._clock.now())
            kept = self._keep(sent, next_row, site)
        on = next_row.phase is not Phase.REST and next_row.guest == sent.guest
        now = self._clock.now()
        return kept and on and (next_row.due_at or now) <= now

    def _call(self, row: Upkeep, site: _Site, walker: Person) -> AclSlice:
        """The way to the volume first, then a slice of the volume."""
        agent, uid = self._agents.of(_owner(walker)), site.owner.uid
        if not row.passed:
            others = [one for one in self._store.upkeeps_of(row.root, row.owner) if one.name != row.name]
            return agent.acl_apply(
                site.path, row.owner, way([row, *others], uid), "", self._limit, MILLISECONDS
            )
        walk = agent.acl_verify if row.phase in (Phase.CHECK, Phase.LOOK) else agent.acl_apply
        path = f"{row.owner}/{row.name}"
        return walk(site.path, path, row.projection(uid), row.cursor, self._limit, MILLISECONDS)

    def _keep(self, sent: Upkeep, new: Upkeep, site: _Site) -> bool:
        """Write the row, and at the end of a walk that changed something a line of the trail."""
        if new.phase is not Phase.REST:
            return self._store.keep_up(sent, new) is not None
        new = rested(new, site.wanted.changes_at, self._every)
        with self._store.transaction():
            kept = self._store.keep_up(sent, new) is not None
            if kept and (new.changed or new.settled != sent.settled):
                self._store.record([self._line(sent, new)])
        return kept

    def _line(self, before: Upkeep, now: Upkeep) -> Line:
        had, have = _named(before.settled), _named(now.settled)
        parts = [
            f"{word} {self._names(named)}"
            for word, named in (("added", have - had), ("removed", had - have))
            if named
        ]
        parts.append(f"{now.told.seen:,} files looked at, {now.changed:,} changed")
        left = left_words(now.told)
        return Line(
            at=self._clock.now(),
            who=BROKER,
            act="disk.applied" if have != had else "disk.repaired",
            on=Resource(kind=ResourceKind.USER_VOLUME, name=now.ref),
            detail="; ".join(parts),
            reason=f"left: {left}" if left else "",
            owner=now.owner,
        )

    def _names(self, found: Iterable[Named]) -> str:
        some = sorted(found, key=lambda named: (named.tag, named.id))
        uids = [named.id for named in some[:_NAMES_MOST] if named.tag is Tag.USER]
        known = {person.uid: person.username for person in self._store.people_with(uids)}
        words = [
            known.get(named.id, f"uid {named.id}") if named.tag is Tag.USER else f"gid {named.id}"
            for named in some[:_NAMES_MOST]
        ]
        more = [f"{len(some) - _NAMES_MOST} more"] if len(some) > _NAMES_MOST else []
        return ", ".join([*words, *more])

    def _look_up(self, row: Upkeep, now: datetime) -> _Site:
        """Raises NotFound, Unavailable."""
        owner = self._store.person(row.owner)
        if owner is None:
            raise _stranger(row)
        root = next((one for one in self._store.root_volumes() if one.name == row.root), None)
        if root is None:
            raise NotFound(f"the site offers no root volume {row.root} any more.")
        return _Site(owner, root.path, self._entitled.wanted(owner, row.ref, now))

    def _walker(self, row: Upkeep, owner: Person) -> Person | None:
        """Whose agent has the next slice; None: a guest who is nobody here."""
        if row.phase is not Phase.GUESTS:
            return owner
        found = self._store.people_with(row.guests[:1])
        return min(found, key=lambda person: person.username, default=None)

    def _put_off(self, volumes: Iterable[Address], error: SciServerError) -> None:
        now = self._clock.now()
        for volume in volumes:
            row = self._store.upkeep(*volume)
            if row is not None:
                skipped = row.phase is Phase.GUESTS
                self._store.keep_up(row, without_guest(row) if skipped else put_off(row, error, now))


def _stranger(row: Upkeep) -> NotFound:
    return NotFound(f"{row.owner}, who owns it, never logged in here; it follows when they do.")


def _owner(person: Person) -> Owner:
    return Owner(username=person.username, uid=person.uid, gid=person.gid)


def _named(entries: Iterable[Entry]) -> frozenset[Named]:
    return frozenset(entry.named for entry in entries)
