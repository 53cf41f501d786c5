"""What a walk through a volume tells of its ACLs, step by step."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .model import Model
from .projection import Drift

Count = Annotated[int, Field(ge=0)]


class Obstacle(StrEnum):
    """Why an inode, or what is below it, was left as it is."""

    OTHERS = "others"
    """It differs and is somebody else's: only their agent can change it."""

    DENIED = "denied"
    """Its owner may not look into it, or it may not be changed at all (chattr(1))."""

    FULL = "full"
    """The filesystem has no room for so many entries there."""

    MOUNT = "mount"
    """Something else is mounted there."""

    LINKED = "linked"
    """It has several hard links, on a machine where others may make them to what is not theirs."""

    SETGID = "setgid"
    """It is set-gid to a group its owner is not in: the kernel would take that away."""

    DEEP = "deep"
    """It lies deeper than the walk goes."""

    HUGE = "huge"
    """It holds more names than the walk reads."""

    FAILED = "failed"
    """The filesystem answered with another error."""


class AclSample(Model):
    """One of the inodes that were counted. `path`: below the volume, undecodable bytes escaped `\\udcXX`."""

    path: str = Field(max_length=70_000)
    what: Drift | Obstacle


class AclSlice(Model):
    """What one step of a walk did. `cursor`: where the next one goes on; None: the walk is over.

    `seen`, `changed`: inodes; `drift`, `left`: inodes by what was found (before it was changed), and by why
    nothing was done; `samples`: the first few of them; `guests`: uids of some whose inodes were left to them.
    """

    cursor: str | None = Field(max_length=200_000)
    seen: Count
    changed: Count
    drift: dict[Drift, Count]
    left: dict[Obstacle, Count]
    samples: tuple[AclSample, ...] = Field(default=(), max_length=20)
    guests: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(), max_length=20)
