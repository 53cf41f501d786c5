"""The sbatch options that mean something for a local job, as in sbatch(1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

TASKS_MAX = 10_000
"""As `domain.arrays.MAX_TASKS`."""

DEFAULT_MINUTES = 60.0


class Options:
    """Options by name; the last of a name counts."""

    def __init__(self, options: Sequence[str]) -> None:
        self._values = {name: value for name, _, value in (option[2:].partition("=") for option in options)}

    def get(self, name: str, default: str = "") -> str:
        """A value as written."""
        return self._values.get(name, default)

    @property
    def seconds(self) -> float:
        """The time limit: `--time=` minutes, minutes:seconds, [hours:]minutes:seconds or days-hours[:…]."""
        return limit_seconds(self.get("time")) or DEFAULT_MINUTES * 60

    @property
    def tasks(self) -> list[int]:
        """Task numbers of `--array=`; empty for a job that is no array."""
        return array_tasks(self.get("array"))

    @property
    def dependencies(self) -> list[tuple[str, int]]:
        """`--dependency=afterok:1:2,afterany:3` as (type, id)."""
        return [
            (kind, int(number))
            for kind, _, numbers in (part.partition(":") for part in self.get("dependency").split(","))
            for number in numbers.split(":")
            if number.isdecimal()
        ]


def limit_seconds(text: str) -> float | None:
    """Seconds of a Slurm time; None when it is none."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if not match:
        return None
    days, first, second, third = (int(group) if group else None for group in match.groups())
    if days is not None or third is not None:
        return ((days or 0) * 24 + (first or 0)) * 3600.0 + (second or 0) * 60 + (third or 0)
    return (first or 0) * 60.0 + (second or 0)


def array_tasks(text: str) -> list[int]:
    """Task numbers of `0-9`, `1,3,5`, `0-99:3%10`, in order, at most TASKS_MAX."""
    tasks: set[int] = set()
    for part in text.partition("%")[0].split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if match:
            first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
            tasks.update(range(first, last + 1, max(1, step))[:TASKS_MAX])
    return sorted(tasks)[:TASKS_MAX]


def expand(pattern: str, number: int, task: int | None, name: str) -> str:
    """A file name pattern with `%j`, `%A`, `%a`, `%x` and `%%` filled in."""
    values = {"j": str(number), "A": str(number), "a": str(task or 0), "x": name, "%": "%"}
    return re.sub(r"%([jAax%])", lambda match: values[match[1]], pattern)
