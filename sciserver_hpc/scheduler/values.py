"""Single values as Slurm's commands print them (run with TZ=UTC0)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
_TIME_LENGTH = len("2026-11-23T22:20:48")


def moment(text: str) -> datetime | None:
    """`2026-11-23T22:20:48`; None for N/A, NONE, None, Unknown.

    A look at the cluster reads thousands: fromisoformat costs a fiftieth of strptime.
    """
    if len(text) != _TIME_LENGTH or text[10] != "T":
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def written(time: datetime) -> str:
    """`time` as an option value."""
    return time.astimezone(UTC).strftime(_TIME_FORMAT)


def seconds(text: str) -> float | None:
    """`[days-][hours:]minutes:seconds[.fraction]` in seconds."""
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)", text)
    if not match:
        return None
    days, hours, minutes = (int(part or 0) for part in match.groups()[:3])
    return ((days * 24 + hours) * 60 + minutes) * 60 + float(match[4])


def size(text: str) -> int | None:
    """`1234K`, `1.5G`, `1048576` in bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)", text)
    return int(float(match[1]) * _UNITS[match[2]]) if match else None


def whole(text: str) -> int | None:
    """A number without sign, or None."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def exit_pair(text: str) -> tuple[int | None, int | None]:
    """(exit code, signal) of `code:signal` or of a raw wait status, as squeue prints it (wait(2))."""
    code, colon, signal = text.partition(":")
    if colon:
        return whole(code), whole(signal) or None
    status = whole(text)
    return (None, None) if status is None else (status >> 8, status & 0x7F or None)


def first_node(nodes: str) -> str:
    """The node list itself, or "" where none was assigned."""
    return "" if nodes in ("n/a", "N/A", "None assigned", "(null)") else nodes
