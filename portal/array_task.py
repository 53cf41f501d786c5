"""Which task of an array a page shows: `task=` in its URL, the first where none is named."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from sciserver_hpc.domain.arrays import beside, first_task, has_task


@dataclass(frozen=True)
class ArrayTask:
    """The task `number` and its neighbours; what was `typed`, and a sentence where that is no task."""

    number: int
    typed: str
    before: int | None
    after: int | None
    problem: str


def asked(array: str | None) -> ArrayTask | None:
    """The task that the URL names; None for a job that is no array."""
    if array is None:
        return None
    text = request.args.get("task", "").strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 7 else None
    known = number is not None and has_task(array, number)
    shown = number if number is not None and known else first_task(array)
    if text and not known:
        problem = f"There is no task {text[:20]!r} in {array}; task {shown} is shown."
        return ArrayTask(shown, text, *beside(array, shown), problem)
    return ArrayTask(shown, str(shown), *beside(array, shown), "")
