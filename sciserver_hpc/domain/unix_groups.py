"""A group of the portal as a Unix group of the directory: how far that is, and what is to be done next.

One row per group that ever was one. Two parties see to it, each when its own day comes: the directory, told
who is in (`due_at`), and an agent, asked whether its machine knows the group (`look_at`). Files name the
group only once both were content; until then, and whenever that is lost, they name its members:

```
            the agent knows it           overlap is over
MEMBERS ──────────────────────► BOTH ──────────────────────► GROUP
   ▲                              │                            │
   └──── not wanted any more, or lost: taken, unknown here, ───┘
         or somebody cannot be taken out of it
```
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from .errors import SciServerError
from .model import Model

LOOK = timedelta(minutes=15)
"""Between two looks at the directory for what others did there."""

SEEN = timedelta(hours=24)
"""Between two looks whether machines still know the group."""

RETRY, RETRY_MOST = timedelta(minutes=1), timedelta(minutes=15)
"""After a failure; twice as long after each further one, up to RETRY_MOST."""


class OnFiles(StrEnum):
    """Whom files name in place of the portal's group."""

    MEMBERS = "members"
    BOTH = "both"
    """The members too: a process has the groups it had when it began."""

    GROUP = "group"


class Ensured(Model):
    """What it took to have the directory's group as wanted. made: it was not there."""

    made: bool = False
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()

    @property
    def changed(self) -> bool:
        """Did it take anything?"""
        return self.made or bool(self.added or self.removed)


class UnixEntry(Model):
    """A group as it stands in the branch. gid: None where the entry tells none; ours: made by the portal."""

    name: str
    gid: int | None
    members: frozenset[str]
    ours: bool


class GroupDue(Model):
    """A group that has work: to be told to the directory, or to be looked for by an agent."""

    group: str
    directory: bool
    agent: bool


class UnixGroup(Model):
    """A group's row.

    name, gid: as a Unix group; the number stays its own for ever, since files may carry it. on: its owner
    wants it. version: grows with each write; marks: with each change of who is in. busy_until: the directory
    may be at work. there: an entry may stand in the directory; members: who may stand there.
    seen_at: when an agent last knew it. since: since when files name it. leave_at: when the entry goes.
    """

    group: str
    name: str
    gid: int | None = None
    on: bool = True
    version: int = 0
    marks: int = 0
    due_at: AwareDatetime | None = None
    look_at: AwareDatetime | None = None
    busy_until: AwareDatetime | None = None
    there: bool = False
    members: frozenset[str] = frozenset()
    on_files: OnFiles = OnFiles.MEMBERS
    seen_at: AwareDatetime | None = None
    since: AwareDatetime | None = None
    leave_at: AwareDatetime | None = None
    told_at: AwareDatetime | None = None
    problem: str = ""
    failures: int = Field(default=0, ge=0)


def asked(row: UnixGroup, on: bool, now: datetime) -> UnixGroup:
    """Its owner wants it, or no more."""
    return _with(row, on=on, due_at=now, problem="", failures=0)


def telling(row: UnixGroup, members: Collection[str], until: datetime) -> UnixGroup:
    """Before the directory is told: whoever it may add stands there from now on, as far as we know."""
    return _with(row, there=True, members=row.members | frozenset(members), busy_until=until)


def told(row: UnixGroup, members: Collection[str], ensured: Ensured, now: datetime) -> UnixGroup:
    """The directory's group is as wanted. One that had to be made anew was missing for a while: processes
    begun then are without it, so it counts as lost."""
    row = _lost(row) if ensured.made else row
    return _with(
        row,
        there=True,
        members=frozenset(members),
        told_at=now,
        problem="" if row.seen_at or ensured.made else row.problem,
        failures=0,
        busy_until=None,
        due_at=min(now + LOOK, row.leave_at or now + LOOK),
        look_at=row.look_at or now if row.on else None,
    )


def still_busy(row: UnixGroup, members: Collection[str]) -> UnixGroup:
    """The directory may be at work and cannot be told now; files can name members meanwhile, where somebody
    may stand there who is none any more."""
    return _with(row if row.members <= frozenset(members) else _lost(row), due_at=row.busy_until)


def unanswered(row: UnixGroup, members: Collection[str], error: SciServerError, now: datetime) -> UnixGroup:
    """The directory is away: waited out, unless somebody stands there who is no member any more. Then files
    name members again, for an outage must not keep anybody in.

    What was sent may still be done: the row stays busy.
    """
    row = row if row.members <= frozenset(members) else _lost(row)
    return _put_off(row, str(error), now)


def refused(row: UnixGroup, error: SciServerError, now: datetime) -> UnixGroup:
    """Somebody else has its name or number."""
    return _with(_put_off(_lost(row), str(error), now), busy_until=None)


def known(row: UnixGroup, gid: int | None, now: datetime, overlap: timedelta) -> UnixGroup:
    """An agent's machine knows it by this number, or not at all."""
    if not (row.on and row.there):
        return _with(row, look_at=None)
    if gid is None or gid != row.gid:
        found = "does not know it yet" if gid is None else f"knows another of that name, number {gid}"
        words = f"The machine that serves users {found}; it is looked for again."
        return _with(_lost(row), problem=words, failures=row.failures + 1, look_at=now + _wait(row))
    since = row.since or now
    over = since + overlap <= now
    return _with(
        row,
        seen_at=now,
        since=since,
        on_files=OnFiles.GROUP if over else OnFiles.BOTH,
        look_at=now + SEEN if over else min(since + overlap, now + SEEN),
        problem="",
        failures=0,
    )


def unheard(row: UnixGroup, error: SciServerError, now: datetime) -> UnixGroup:
    """The agent did not answer; what it said before holds."""
    words = row.problem if row.seen_at else f"Nobody could look whether it is known: {error}."
    return _with(row, problem=words, look_at=now + RETRY_MOST)


def leaving(row: UnixGroup, now: datetime, overlap: timedelta) -> UnixGroup:
    """It is not wanted any more: files name members at once, and the entry stays until that has come to all
    of them."""
    return _with(_lost(row), leave_at=row.leave_at or now + overlap, look_at=None, due_at=now)


def left(row: UnixGroup) -> UnixGroup:
    """The entry is gone; the number stays."""
    return _with(
        _lost(row),
        there=False,
        members=frozenset(),
        leave_at=None,
        due_at=None,
        look_at=None,
        busy_until=None,
        problem="",
        failures=0,
    )


def given_up(row: UnixGroup, now: datetime) -> UnixGroup:
    """The site keeps no Unix groups any more: nobody would take a member out of this one."""
    words = "This site keeps no Unix groups any more." if row.on else ""
    return _with(_lost(row), due_at=now + LOOK, problem=words)


def sentence(row: UnixGroup | None) -> str:
    """Where it stands, for people."""
    if row is None or not (row.on or row.there):
        return "No Unix group: on the filesystem it is its members, one by one."
    if not row.on:
        return f"Unix group {row.name} goes; files name its members one by one."
    if row.problem and row.on_files is OnFiles.MEMBERS:
        return f"Unix group {row.name} waits, and files name its members meanwhile. {row.problem}"
    if row.problem:
        return f"Unix group {row.name} is there, and files name it. For now: {row.problem}"
    where = {
        OnFiles.MEMBERS: "is being made; files name its members meanwhile.",
        OnFiles.BOTH: "is there; files name it and, for processes begun before, its members.",
        OnFiles.GROUP: "is there; files name it in place of its members.",
    }
    return f"Unix group {row.name} {where[row.on_files]}"


def _lost(row: UnixGroup) -> UnixGroup:
    return _with(row, on_files=OnFiles.MEMBERS, seen_at=None, since=None, look_at=None)


def _put_off(row: UnixGroup, words: str, now: datetime) -> UnixGroup:
    return _with(row, problem=words, failures=row.failures + 1, due_at=now + _wait(row))


def _wait(row: UnixGroup) -> timedelta:
    wait: timedelta = min(RETRY * 2 ** min(row.failures, 10), RETRY_MOST)
    return wait


def _with(row: UnixGroup, **fields: object) -> UnixGroup:
    return row.model_copy(update=fields)
