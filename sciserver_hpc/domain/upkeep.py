"""The upkeep of a shared volume: how far its filesystem follows its grants, and what is to be done next.

One row per volume holds all of it, so that whoever reads the row goes on from there, whatever died. A walk
through the volume is under way in every phase but REST; each answer of an agent moves the row on by `after`.

```
        grants differ                     the walk is over
REST ───────────────► APPLY ───────────────────────────────────────► REST
 │                      ▲ └─ guests' files differ ─► GUESTS ─► CHECK ──┘
 └─ time to look ─► LOOK┴─ all in order ───────────────────────────────┘
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from .acl import Entry, Named, Tag
from .acl_walk import AclSample, AclSlice, Count, Obstacle
from .errors import AgentError, SciServerError, Unavailable
from .model import Model
from .projection import Drift, Projection, passage

BUSY = timedelta(seconds=30)
"""A call that was sent and not answered may be under way at the agent for so long (a slice takes 10 s at the
most): nothing else is sent about its volume meanwhile, so that no old walk undoes what a newer one did."""

RETRY, RETRY_MOST = timedelta(minutes=1), timedelta(hours=1)
"""After a failure; twice as long after each further one, up to RETRY_MOST."""

GUESTS_MOST = 20
SAMPLES_MOST = 10

OURS = frozenset(Drift) - {Drift.FOREIGN}
"""What is to be repaired; a person's own doing is not."""


class Phase(StrEnum):
    """What the walk under way is for."""

    REST = "rest"
    """There is none."""

    APPLY = "apply"
    """The owner's agent brings the volume nearer to its grants."""

    GUESTS = "guests"
    """Other people's agents do the same with files of theirs."""

    CHECK = "check"
    """The owner's agent looks what is left after that."""

    LOOK = "look"
    """The owner's agent looks for drift, now and then."""


class Tally(Model):
    """What a walk's slices told, summed up; see `AclSlice`."""

    seen: Count = 0
    changed: Count = 0
    drift: dict[Drift, Count] = Field(default_factory=dict)
    left: dict[Obstacle, Count] = Field(default_factory=dict)
    samples: tuple[AclSample, ...] = ()

    def plus(self, part: AclSlice) -> Tally:
        """With one slice more."""
        return Tally(
            seen=self.seen + part.seen,
            changed=self.changed + part.changed,
            drift={
                kind: self.drift.get(kind, 0) + part.drift.get(kind, 0) for kind in self.drift | part.drift
            },
            left={why: self.left.get(why, 0) + part.left.get(why, 0) for why in self.left | part.left},
            samples=(*self.samples, *part.samples)[:SAMPLES_MOST],
        )

    @property
    def ours(self) -> int:
        """How many differences are ours to repair."""
        return sum(count for kind, count in self.drift.items() if kind in OURS)


class Due(Model):
    """A volume that has work. guest: whose agent it waits for, where it is not the owner's."""

    root: str
    owner: str
    name: str
    guest: int | None


class Upkeep(Model):
    """A volume's row.

    version: grows with each write of the broker's; marks: with each change of grants or groups that may
    concern the volume. due_at: when there is work next, None: no day is set. busy_until: a call may be under
    way. entries: what the walk under way, or the last one, wants; held: everybody who may be named on disk by
    us, recorded before the first slice that may name them; settled: what the last whole walk left. crowded:
    entries for which the filesystem has no room. passed: the way to the volume is seen to. guests: uids whose
    agents are yet to walk, the first one now. told: the last whole walk's tally; problem: why there is no
    progress.
    """

    root: str
    owner: str
    name: str
    version: int = 0
    marks: int = 0
    due_at: AwareDatetime | None = None
    busy_until: AwareDatetime | None = None
    phase: Phase = Phase.REST
    cursor: str = ""
    passed: bool = False
    entries: tuple[Entry, ...] = ()
    held: frozenset[Named] = frozenset()
    settled: tuple[Entry, ...] = ()
    crowded: tuple[Entry, ...] = ()
    guests: tuple[int, ...] = ()
    tally: Tally = Tally()
    changed: int = 0
    told: Tally = Tally()
    problem: str = ""
    failures: int = 0
    looked_at: AwareDatetime | None = None

    @property
    def ref(self) -> str:
        """The address `<root>/<owner>/<name>`."""
        return f"{self.root}/{self.owner}/{self.name}"

    @property
    def guest(self) -> int | None:
        """Whose agent has the next slice, where it is not the owner's."""
        return self.guests[0] if self.phase is Phase.GUESTS else None

    @property
    def applying(self) -> bool:
        """Is the disk being changed?"""
        return self.phase in (Phase.APPLY, Phase.GUESTS, Phase.CHECK)

    def projection(self, owner: int) -> Projection:
        """What the volume of uid `owner` is to give in this walk."""
        me = Named(tag=Tag.USER, id=owner)
        host = owner if self.phase is Phase.GUESTS else None
        return Projection(entries=self.entries, ours=self.held | {me}, host=host)


def way(rows: Iterable[Upkeep], owner: int) -> Projection:
    """What `<root>/<owner>` is to give, by all rows of that owner in that root volume."""
    return passage(row.projection(owner) for row in rows)


def planned(row: Upkeep, wanted: tuple[Entry, ...], now: datetime, every: timedelta) -> Upkeep:
    """The row with the walk that is to go on, or REST when there is none to be made.

    wanted: what grants want now; every: time between two looks for drift.
    """
    if row.crowded and row.crowded != wanted:
        row = _with(row, crowded=(), problem="")
    entries = _as_before(wanted, row.settled) if row.crowded else wanted
    look = row.looked_at is None or row.looked_at + every <= now
    if row.phase is not Phase.REST:
        return row if row.entries == entries else _begun(row, Phase.APPLY, entries)
    if row.entries != entries:
        return _begun(row, Phase.APPLY, entries)
    if row.crowded and look:  # perhaps there is room by now
        return _begun(row.model_copy(update={"crowded": ()}), Phase.APPLY, wanted)
    return _begun(row, Phase.LOOK, entries) if look and (entries or row.held) else row


def rested(row: Upkeep, changes_at: datetime | None, every: timedelta) -> Upkeep:
    """A row at REST with the day of its next work. changes_at: when the next grant on it expires."""
    shared = row.entries or row.held or row.crowded
    look = row.looked_at + every if row.looked_at and shared else None
    return _with(
        row,
        due_at=min((at for at in (changes_at, look) if at), default=None),
        busy_until=None,
        problem=row.problem if row.crowded else "",
        failures=0,
    )


def after(row: Upkeep, part: AclSlice, now: datetime) -> Upkeep:
    """The row after a slice of its walk was answered."""
    row = _with(
        row,
        tally=row.tally if row.phase is Phase.GUESTS else row.tally.plus(part),
        changed=row.changed + part.changed,
        failures=0,
        problem=row.problem if row.crowded else "",
        busy_until=None,
        due_at=now,
    )
    if not row.passed:
        return _with(row, passed=True)
    if row.phase is Phase.APPLY:
        known = tuple(sorted({*row.guests, *part.guests}))[:GUESTS_MOST]
        row = _with(row, guests=known)
    if part.cursor is not None:
        return _with(row, cursor=part.cursor)
    return _walked(row, now)


def without_guest(row: Upkeep) -> Upkeep:
    """In phase GUESTS: the one whose agent had its turn, or cannot have it, is done with."""
    rest = row.guests[1:]
    return _with(row, guests=rest, cursor="", **({} if rest else {"phase": Phase.CHECK, "tally": Tally()}))


def failed(row: Upkeep, error: SciServerError, now: datetime) -> Upkeep:
    """The row after a call that failed.

    A volume that is gone, and that nobody is granted any more, needs nothing until the next look: its
    filesystem may be away, so nobody is forgotten. Where there is no room for all, those who had their rights
    before keep them, whose grant is over go, and the others wait.
    """
    reason = error.reason if isinstance(error, AgentError) else ""
    answered = None if not isinstance(error, Unavailable) else row.busy_until
    row = _with(row, busy_until=answered, due_at=now)
    if reason == "not_found" and not row.entries:
        return _done(_with(row, tally=Tally(left={Obstacle.FAILED: 1})), now)
    if row.phase is Phase.GUESTS:
        return without_guest(row)
    if reason == "invalid" and row.cursor:  # another version's agent; from the beginning
        return _with(row, cursor="")
    fewer = _as_before(row.entries, row.settled)
    if reason == "too_large" and fewer != row.entries and not row.crowded:
        return _begun(_with(row, crowded=row.entries, problem=str(error)), Phase.APPLY, fewer)
    return put_off(row, error, now)


def put_off(row: Upkeep, error: SciServerError, now: datetime) -> Upkeep:
    """The row where nothing can be done at `now`; the walk under way goes on from where it is."""
    wait = min(RETRY * 2 ** min(row.failures, 10), RETRY_MOST)
    words = str(error)
    if isinstance(error, Unavailable) and error.system == "agent":
        words = f"the owner's agent does not answer ({error.detail}); it is tried again."
    problem = row.problem if row.crowded else words
    return _with(row, problem=problem, failures=row.failures + 1, due_at=now + wait)


def _begun(row: Upkeep, phase: Phase, entries: tuple[Entry, ...]) -> Upkeep:
    """At the beginning of a walk. Whoever it may name is held from now on."""
    held = row.held | {entry.named for entry in entries}
    return _with(
        row,
        phase=phase,
        entries=entries,
        held=held,
        problem=row.problem if row.crowded else "",
        cursor="",
        passed=False,
        guests=(),
        tally=Tally(),
        changed=0 if row.phase in (Phase.REST, Phase.LOOK) else row.changed,
    )


def _walked(row: Upkeep, now: datetime) -> Upkeep:
    """At the end of a walk: what comes next?"""
    if row.phase is Phase.GUESTS:
        return without_guest(row)
    if row.phase is Phase.LOOK and row.tally.ours:
        return _begun(row, Phase.APPLY, row.entries)
    if row.phase is Phase.APPLY and row.guests and row.tally.left.get(Obstacle.OTHERS):
        return _with(row, phase=Phase.GUESTS, cursor="")
    return _done(row, now)


def _done(row: Upkeep, now: datetime) -> Upkeep:
    """Whose grant is over is forgotten only when nothing was left, nowhere."""
    named = frozenset(entry.named for entry in row.entries)
    return _with(
        row,
        phase=Phase.REST,
        cursor="",
        guests=(),
        held=row.held if row.tally.left else named,
        settled=row.entries,
        told=row.tally,
        tally=Tally(),
        problem=row.problem if row.crowded else "",
        failures=0,
        looked_at=now,
    )


def _as_before(entries: tuple[Entry, ...], settled: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Those of `entries` that the disk holds already."""
    there = {entry.named for entry in settled}
    return tuple(entry for entry in entries if entry.named in there)


def rights_of(entries: Iterable[Entry]) -> dict[Named, int]:
    """What `entries` give to whom."""
    return {entry.named: entry.bits for entry in entries}


def covers(given: Mapping[Named, int], wanted: Mapping[Named, int]) -> bool:
    """Is everybody in `wanted` given their rights?"""
    return all(bits & ~given.get(named, 0) == 0 for named, bits in wanted.items())


def _with(row: Upkeep, **fields: object) -> Upkeep:
    return row.model_copy(update=fields)
