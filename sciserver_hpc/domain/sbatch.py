"""Values as sbatch(1) writes them: times, memory, GPUs, dependencies.

Every function takes what stands after `--option=` and raises ValueError with a sentence for the person who
wrote it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TIME = re.compile(
    r"(?:(?P<days>[0-9]{1,9})-(?P<dh>[0-9]{1,9})(?::(?P<dm>[0-9]{1,9})(?::(?P<ds>[0-9]{1,9}))?)?"
    r"|(?P<h>[0-9]{1,9}):(?P<hm>[0-9]{1,9}):(?P<hs>[0-9]{1,9})"
    r"|(?P<m>[0-9]{1,9})(?::(?P<s>[0-9]{1,9}))?)\Z"
)
_TIME_UNITS = {"days": 86400, "dh": 3600, "dm": 60, "ds": 1, "h": 3600, "hm": 60, "hs": 1, "m": 60, "s": 1}
_MEMORY = re.compile(r"([0-9]{1,9})([KMGT]?)B?\Z", re.IGNORECASE)
_KIB = {"K": 1, "M": 1024, "": 1024, "G": 1024**2, "T": 1024**3}
_GPUS = re.compile(r"gpu(?::(?P<type>[A-Za-z_][A-Za-z0-9_.-]*))?(?::(?P<number>[0-9]{1,9}))?\Z")
_DEPENDENCIES = ("afterok", "afternotok", "afterany")


def seconds(text: str) -> int:
    """A time limit in seconds.

    Forms: `minutes`, `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM`, `D-HH:MM:SS`.
    """
    found = _TIME.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no time limit; write 90 (minutes), 1:30:00 or 1-12 (days-hours)")
    total = sum(int(value) * _TIME_UNITS[unit] for unit, value in found.groupdict().items() if value)
    if total == 0:
        raise ValueError("a job without a time limit cannot run here; name one, as in 8:00:00")
    return total


def time_text(total: int) -> str:
    """`total` seconds as squeue shows them: `MM:SS`, `H:MM:SS`, `D-HH:MM:SS`; `seconds` reads it back."""
    days, hours, minutes, rest = total // 86400, total // 3600 % 24, total // 60 % 60, total % 60
    if days:
        return f"{days}-{hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def megabytes(text: str) -> int:
    """Memory in MiB, rounded up: `4G`, `512`, `100K`, `1T`; without a letter it is MiB."""
    found = _MEMORY.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no amount of memory; write 4G, 500M or a number of megabytes")
    kib = int(found[1]) * _KIB[found[2].upper()]
    if kib == 0:
        raise ValueError("a whole node's memory (--mem=0) cannot be asked for; name an amount, as in 4G")
    return -(-kib // 1024)


class Gpus(NamedTuple):
    """GPUs per node; `type` is what was named between `gpu:` and the number, or empty."""

    number: int
    type: str = ""


def gpus(text: str) -> Gpus:
    """Read a generic resource: `gpu`, `gpu:2`, `gpu:a100`, `gpu:a100:2`."""
    found = _GPUS.match(text)
    if found is None:
        raise ValueError(f"{text!r}: only GPUs can be asked for, as in gpu:2 or gpu:a100:2")
    return Gpus(int(found["number"] or 1), found["type"] or "")


def dependencies(text: str) -> tuple[tuple[str, int], ...]:
    """Read `afterok:12:13,afterany:14` as ((type, job id), …); all of them must hold."""
    if "?" in text:
        raise ValueError("alternatives (?) are not supported; give jobs that must all be over, with commas")
    return tuple(pair for part in text.split(",") for pair in _dependency(part))


def _dependency(part: str) -> list[tuple[str, int]]:
    kind, *jobs = part.split(":")
    if kind not in _DEPENDENCIES:
        raise ValueError(f"{kind!r} is not supported; use {', '.join(_DEPENDENCIES)}, as in afterok:12")
    if not jobs or not all(job.isascii() and job.isdecimal() and int(job) > 0 for job in jobs):
        raise ValueError(f"{part!r} needs job ids as `sciserver-queue` shows them, as in {kind}:12:13")
    return [(kind, int(job)) for job in jobs]
