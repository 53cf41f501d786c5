"""The indices of a job array, as sbatch(1) writes them: `0-9`, `1,3,5`, `0-99:2%10`."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

MAX_TASKS = 10_000
"""Tasks of one job: the agent reads so many end records of a folder."""

MAX_LENGTH = 4096
"""Characters of a list of indices that Slurm takes (job_mgr.c, 22.05 to 26.05)."""

MAX_INDEX = 9_999_999
"""The largest index that `_PART` reads."""

MAX_STEP = 99_999
"""The largest step it reads."""

_PART = re.compile(r"([0-9]{1,7})(?:-([0-9]{1,7})(?::([0-9]{1,5}))?)?")


def checked(text: str) -> str:
    """Return the indices unchanged. Raises ValueError with a sentence for the person who wrote them."""
    indices, percent, at_once = text.partition("%")
    if percent and not (at_once.isascii() and at_once.isdecimal() and int(at_once) > 0):
        raise ValueError(f"{text[:50]!r}: after % stands how many tasks may run at once, as in 0-99%10")
    for part in indices.split(","):
        found = _PART.fullmatch(part)
        if found is None or (found[3] is not None and int(found[3]) == 0):
            raise ValueError(f"{text[:50]!r} is no list of array indices; write 0-9, 1,3,5 or 0-99%10")
        if found[2] is not None and int(found[2]) < int(found[1]):
            raise ValueError(f"{part!r} runs backwards; write the smaller index first")
    if task_count(text) > MAX_TASKS:
        raise ValueError(f"more than {MAX_TASKS} tasks; let each task do more, as in 0-999")
    return text


ArrayIndices = Annotated[str, StringConstraints(max_length=MAX_LENGTH), AfterValidator(checked)]
"""Indices as they may come in from outside."""


def task_count(text: str) -> int:
    """How many tasks `text` names; parts that cannot be read name none. At least one.

    Indices named twice count once, but only below MAX_TASKS: Slurm's own lists, which may be long, name none
    twice.
    """
    named = _ranges(text)
    total = sum(map(len, named))
    return max(1, total if total > MAX_TASKS else len(set().union(*named)))


def indices(text: str) -> list[int]:
    """The indices, ascending, each once; of at most MAX_TASKS."""
    return sorted(set().union(*_ranges(text)))


def compressed(numbers: Iterable[int]) -> str:
    """Ascending numbers as a list of indices, as short as runs of equal steps make it: `0,3-5,10-90:20`."""
    return ",".join(map(_part, _runs(list(numbers))))


def _runs(numbers: list[int]) -> Iterator[range]:
    """In pieces of equal steps; two numbers that are no neighbours make no piece."""
    start = 0
    while start < len(numbers):
        end = start + 1
        step = numbers[end] - numbers[start] if end < len(numbers) else 1
        while end < len(numbers) and numbers[end] - numbers[end - 1] == step <= MAX_STEP:
            end += 1
        if end - start == 2 and step > 1:
            end = start + 1
        yield range(numbers[start], numbers[end - 1] + 1, step if end - start > 1 else 1)
        start = end


def _part(run: range) -> str:
    if len(run) == 1:
        return str(run[0])
    return f"{run[0]}-{run[-1]}" + (f":{run.step}" if run.step > 1 else "")


def at_once(text: str) -> int:
    """How many of its tasks may run at once: `0-99%10` → 10."""
    most = text.partition("%")[2]
    return min(task_count(text), int(most)) if most else task_count(text)


def first_task(text: str) -> int:
    """The smallest index: `3-9:2%4` → 3."""
    return min((part.start for part in _ranges(text)), default=0)


def has_task(text: str, task: int) -> bool:
    """Is `task` one of the indices?"""
    return any(task in part for part in _ranges(text))


def beside(text: str, task: int) -> tuple[int | None, int | None]:
    """The indices next to `task`, below and above it; None where there is none."""
    parts = _ranges(text)
    below = [part[bisect_left(part, task) - 1] for part in parts if part[0] < task]
    above = [part[bisect_right(part, task)] for part in parts if part[-1] > task]
    return max(below, default=None), min(above, default=None)


def _ranges(text: str) -> list[range]:
    found = filter(None, (_PART.fullmatch(part.strip()) for part in text.partition("%")[0].split(",")))
    return [range(int(m[1]), int(m[2] or m[1]) + 1, max(1, int(m[3] or 1))) for m in found]
