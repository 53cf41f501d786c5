"""Where the filesystem stands with what was granted on a volume, in words: pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import AwareDatetime, Field

from .acl import Named
from .acl_walk import AclSample, Obstacle
from .model import Model
from .projection import Drift
from .upkeep import Phase, Tally, Upkeep, covers, rights_of


class Applied(StrEnum):
    """How far the filesystem followed."""

    APPLIED = "applied"
    APPLYING = "applying"
    WAITING = "waiting"
    """The broker has it next."""

    PENDING = "pending"
    """Something is in the way; the words say what."""


class OnDisk(Model):
    """State of a volume or of one grant on it, and a sentence for people."""

    state: Applied
    sentence: str


class VolumeOnDisk(OnDisk):
    """A volume's. seen: files and directories so far, `of` about so many (0: not known yet); left, foreign:
    what the last whole walk could not change, and people's own entries; samples: some of both."""

    volume: str
    seen: int = 0
    of: int = 0
    looked_at: AwareDatetime | None = None
    left: dict[Obstacle, int] = Field(default_factory=dict)
    foreign: int = 0
    samples: tuple[AclSample, ...] = ()


_SOON = "The filesystem follows within seconds."
_LEFT = {
    Obstacle.OTHERS: "are other people's, and differ",
    Obstacle.DENIED: "cannot be reached or changed by their owner",
    Obstacle.FULL: "have no room for so many entries",
    Obstacle.MOUNT: "are on another filesystem mounted there",
    Obstacle.LINKED: "have several names (hard links)",
    Obstacle.SETGID: "are set-gid to a group their owner is not in",
    Obstacle.DEEP: "lie too deep",
    Obstacle.HUGE: "hold too many names",
    Obstacle.FAILED: "could not be looked at",
}


def of_volume(row: Upkeep | None, ref: str, now: AwareDatetime) -> VolumeOnDisk:
    """Where the volume `ref` stands. row: None where nothing was ever granted on it."""
    if row is None:
        return VolumeOnDisk(state=Applied.APPLIED, sentence="It is not shared.", volume=ref)
    state, sentence = _progress(row, now)
    return VolumeOnDisk(
        state=state,
        sentence=sentence,
        volume=ref,
        seen=row.tally.seen if row.phase is not Phase.REST else row.told.seen,
        of=row.told.seen,
        looked_at=row.looked_at,
        left=row.told.left,
        foreign=row.told.drift.get(Drift.FOREIGN, 0),
        samples=tuple(one for one in row.told.samples if one.what in (Drift.FOREIGN, *Obstacle)),
    )


class Grants:
    """Where grants on one volume stand, whose row is `row`; None where it has none."""

    def __init__(self, row: Upkeep | None, now: AwareDatetime) -> None:
        self._given = [] if row is None else [rights_of(row.settled), rights_of(row.entries)]
        self._other = OnDisk(state=Applied.WAITING, sentence=_SOON)
        if row is not None:
            state, sentence = _progress(row, now)
            if state is not Applied.APPLIED:  # else it was read a moment before the broker was told
                self._other = OnDisk(state=state, sentence=sentence)

    def state(self, wanted: Mapping[Named, int], unknown: str) -> OnDisk:
        """Of one of them. wanted: the rights it means, of everybody but the owner; unknown: why it names
        nobody on the filesystem, "" when it does, or is for a group that nobody is in."""
        if unknown:
            return OnDisk(state=Applied.PENDING, sentence=f"Pending: {unknown}")
        if self._given and all(covers(given, wanted) for given in self._given):
            return OnDisk(state=Applied.APPLIED, sentence="Applied.")
        return self._other


def left_words(tally: Tally) -> str:
    """What a walk left as it was, as clauses; "" when nothing."""
    return "; ".join(f"{count:,} {_LEFT[why]}" for why, count in sorted(tally.left.items()))


def _progress(row: Upkeep, now: AwareDatetime) -> tuple[Applied, str]:
    if row.problem:
        return Applied.PENDING, f"Pending: {row.problem}"
    if row.applying:
        about = f" of about {row.told.seen:,}" if row.told.seen > row.tally.seen else ""
        return Applied.APPLYING, f"Being applied: {row.tally.seen:,}{about} files."
    if row.phase is Phase.REST and row.due_at is not None and row.due_at <= now:
        return Applied.WAITING, _SOON
    left = left_words(row.told)
    return Applied.APPLIED, f"Applied, but for what was left: {left}." if left else "Applied."
