"""Groups of the portal, kept as Unix groups in the directory: a step at a time, from rows alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from ..domain.access import Resource, ResourceKind, SubjectKind
from ..domain.audit import BROKER
from ..domain.audit import Entry as Line
from ..domain.errors import Conflict, SciServerError, Unavailable
from ..domain.groups import Group
from ..domain.scheduling import Owner
from ..domain.unix_groups import (
    Ensured,
    UnixGroup,
    given_up,
    known,
    leaving,
    left,
    refused,
    still_busy,
    telling,
    told,
    unanswered,
    unheard,
)
from ..ports import Agents, Clock, GroupDirectory, Store

log = structlog.get_logger(__name__)

_DUE_MOST = 1000
_TRIES = 1000
"""Numbers looked at in one step, where others of the range are taken."""

_NAMES_MOST = 20


@dataclass(frozen=True)
class Terms:
    """How the site wants it; see settings.UnixGroupsSettings. busy: what one call of the directory may take
    at the longest."""

    prefix: str
    gids: range
    all: bool
    overlap: timedelta
    busy: timedelta


@dataclass(frozen=True)
class Looking:
    """A group that an agent is to look for."""

    group: str
    agent: Owner


class GroupKeeping:
    """Keeps them. directory, terms: None where the site keeps none (any more)."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        clock: Clock,
        directory: GroupDirectory | None = None,
        terms: Terms | None = None,
    ) -> None:
        self._store = store
        self._agents = agents
        self._clock = clock
        self._directory = directory
        self._terms = terms

    def due(self) -> tuple[list[str], list[Looking]]:
        """Groups to tell the directory of, and those to look for. Raises Unavailable (the database)."""
        now = self._clock.now()
        if self._terms is not None and self._terms.all:
            for name in self._store.groups_not_unix(_DUE_MOST):
                row = UnixGroup(group=name, name=f"{self._terms.prefix}{name}", due_at=now)
                self._store.add_unix_group(row)
        due = self._store.unix_groups_due(now, _DUE_MOST)
        looking = (self._looking(one.group) for one in due if one.agent)
        return [one.group for one in due if one.directory], [one for one in looking if one is not None]

    def tell(self, names: Sequence[str], go_on: Callable[[], bool]) -> bool:
        """Tell the directory of these while `go_on` says so; False when it did not answer.

        Raises Unavailable (the database).
        """
        for name in names:
            if not go_on():
                break
            try:
                self.step(name)
            except Unavailable as error:
                if error.system == "database":
                    raise
                return False
        return True

    def step(self, name: str) -> None:
        """What the directory has to be told of one group. Raises Unavailable: it did not answer, which is
        recorded; the database is away."""
        now, row = self._clock.now(), self._store.unix_group(name)
        if row is None or row.due_at is None or row.due_at > now:
            return
        if (row.busy_until or now) > now:
            self._store.keep_unix_group(row, still_busy(row, self._members(name)))
            return
        if self._directory is None or self._terms is None:
            self._store.keep_unix_group(row, given_up(row, now))
            return
        group = self._store.group(name)
        if group is not None and row.on:
            row = row.model_copy(update={"leave_at": None})
        elif row.leave_at is None:
            # Of a group that is no more nothing is granted to anybody: its entry goes at once.
            self._store.keep_unix_group(row, leaving(row, now, self._overlap if group else timedelta()))
            return
        if group is None or (row.leave_at is not None and row.leave_at <= now):
            self._remove(self._directory, self._terms, row)
        elif row.on or row.there:
            self._ensure(self._directory, self._terms, group, row)
        else:
            self._store.keep_unix_group(row, left(row))

    def look(self, looking: Sequence[Looking], go_on: Callable[[], bool]) -> bool:
        """Let an agent look for these groups while `go_on` says so; False when it did not answer."""
        for one in looking:
            row = self._store.unix_group(one.group)
            if row is None or not go_on():
                continue
            try:
                gid = self._agents.of(one.agent).unix_group(row.name)
            except SciServerError as error:
                self._unheard(row, error)
                return False
            self._seen(row, gid)
        return True

    def _unheard(self, row: UnixGroup, error: SciServerError) -> None:
        self._record(row.group, row.marks, lambda r: unheard(r, error, self._clock.now()))

    def _seen(self, before: UnixGroup, gid: int | None) -> None:
        def change(row: UnixGroup) -> UnixGroup:
            asked_about = (row.name, row.gid, row.there) == (before.name, before.gid, before.there)
            return known(row, gid, self._clock.now(), self._overlap) if asked_about else row

        self._record(before.group, before.marks, change)

    def _ensure(self, directory: GroupDirectory, terms: Terms, group: Group, row: UnixGroup) -> None:
        numbered = row if row.gid is not None else self._numbered(directory, terms, row)
        if numbered is None:
            return
        people, until = self._members(group.name), self._clock.now() + terms.busy
        sent = self._store.keep_unix_group(numbered, telling(numbered, people, until))
        if sent is None or sent.gid is None:
            return
        try:
            found = directory.ensure(sent.name, sent.gid, people)
        except Conflict as error:
            self._refused(sent, error)
        except Unavailable as error:
            self._unanswered(sent, people, error)
            raise
        else:
            lines = [self._line(sent, group, found)] if found.changed else []
            self._record(group.name, sent.marks, lambda r: told(r, people, found, self._clock.now()), lines)

    def _remove(self, directory: GroupDirectory, terms: Terms, row: UnixGroup) -> None:
        sent = self._store.keep_unix_group(row, telling(row, (), self._clock.now() + terms.busy))
        if sent is None:
            return
        try:
            gone = directory.remove(sent.name) if sent.gid is not None else False
        except Conflict as error:
            # Not one of ours: nothing of it is for us to remove.
            log.warning("unix group is somebody else's", group=row.group, error=str(error))
            gone = False
        except Unavailable as error:
            self._unanswered(sent, (), error)
            raise
        group = self._store.group(row.group)
        lines = [self._line(sent, group, None)] if gone else []
        self._record(row.group, sent.marks, left, lines)

    def _refused(self, sent: UnixGroup, error: Conflict) -> None:
        self._record(sent.group, sent.marks, lambda r: refused(r, error, self._clock.now()))

    def _unanswered(self, sent: UnixGroup, people: Sequence[str], error: Unavailable) -> None:
        log.info("unix group not kept", group=sent.group, error=str(error))
        self._record(sent.group, sent.marks, lambda r: unanswered(r, people, error, self._clock.now()))

    def _numbered(self, directory: GroupDirectory, terms: Terms, row: UnixGroup) -> UnixGroup | None:
        """With a number of its own, for good; None where there is none now, which is recorded.

        Raises Unavailable.
        """
        given = self._store.gids_given()
        free = (gid for gid in terms.gids if gid not in given)
        try:
            for _, gid in zip(range(_TRIES), free, strict=False):
                if not directory.holder(gid):
                    return self._take(row, gid)
        except Unavailable as error:
            self._unanswered(row, (), error)
            raise
        words = (
            f"No number from {terms.gids[0]} to {terms.gids[-1]} is free; tell an administrator of the site."
        )
        self._refused(row, Conflict(words))
        return None

    def _take(self, row: UnixGroup, gid: int) -> UnixGroup | None:
        try:
            return self._store.keep_unix_group(row, row.model_copy(update={"gid": gid}))
        except Conflict:  # another broker was first; the next step takes the next
            return None

    def _record(
        self,
        name: str,
        marks: int,
        change: Callable[[UnixGroup], UnixGroup],
        lines: Sequence[Line] = (),
    ) -> None:
        """Write what a call brought onto the row as it stands now; marked since `marks`, it stays due."""
        while (row := self._store.unix_group(name)) is not None:
            seen = row.model_copy(update={"marks": marks})
            with self._store.transaction():
                if self._store.keep_unix_group(seen, change(row)) is None:
                    continue
                if lines:
                    self._store.record(lines)
            return

    def _members(self, name: str) -> list[str]:
        """People in it at any depth whom this site knows. Groups of the directory stay the directory's."""
        inside = self._store.inside(name)
        names = [member.name for member in inside if member.kind is SubjectKind.USER]
        return sorted(person.username for person in self._store.people_named(names))

    def _looking(self, name: str) -> Looking | None:
        """By whose agent: the owner's, who is known here, or had no groups to make."""
        group = self._store.group(name)
        person = self._store.person(group.owner) if group is not None else None
        if person is None:
            row = self._store.unix_group(name)
            if row is not None:
                self._store.keep_unix_group(row, row.model_copy(update={"look_at": None}))
            return None
        return Looking(name, Owner(username=person.username, uid=person.uid, gid=person.gid))

    def _line(self, row: UnixGroup, group: Group | None, found: Ensured | None) -> Line:
        if found is None:
            act, parts = "unix.removed", [f"{row.name} (gid {row.gid})"]
        else:
            act = "unix.made" if found.made else "unix.changed"
            parts = [f"{row.name} (gid {row.gid})"]
            for word, people in (("added", found.added), ("removed", found.removed)):
                parts += [f"{word} {_some(people)}"] if people else []
        return Line(
            at=self._clock.now(),
            who=BROKER,
            act=act,
            on=Resource(kind=ResourceKind.GROUP, name=row.group),
            detail="; ".join(parts),
            owner=group.owner if group is not None else "",
        )

    @property
    def _overlap(self) -> timedelta:
        return self._terms.overlap if self._terms is not None else timedelta()


def _some(people: frozenset[str]) -> str:
    shown = sorted(people)[:_NAMES_MOST]
    more = [f"{len(people) - _NAMES_MOST} more"] if len(people) > _NAMES_MOST else []
    return ", ".join([*shown, *more])
