"""The tasks of an array, one by one: what a sighting of them changes, and what they make together.

A task that never began has no row: what is absent waits. Absence of news changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import AwareDatetime

from .arrays import task_count
from .jobs import Usage
from .model import Model
from .states import JobState, may_follow


class Task(Model):
    """One task of an array. Times in seconds, memory in bytes; None where nothing is known."""

    index: int
    state: JobState
    restarts: int = 0
    node: str = ""
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    exit_code: int | None = None
    signal: int | None = None
    elapsed_s: int | None = None
    cpu_s: float | None = None
    max_rss: int | None = None

    @property
    def measured(self) -> bool:
        """Is there nothing more to learn of it? Slurm measures what ran on a node."""
        return self.state.final and (self.elapsed_s is not None or not self.node)


_MAY_COME_LATER = ("node", "started_at", "ended_at", "exit_code", "signal", "elapsed_s", "cpu_s", "max_rss")
"""What one look may show and another not: it is added, never taken back."""

_WORST_FIRST = (
    JobState.CANCELLED,
    JobState.NODE_FAIL,
    JobState.OUT_OF_MEMORY,
    JobState.TIMEOUT,
    JobState.PREEMPTED,
    JobState.FAILED,
    JobState.LOST,
    JobState.SUCCEEDED,
)

_SHARED_END = (JobState.SUCCEEDED, JobState.CANCELLED, JobState.REJECTED)
"""What ends so ended so with all its tasks: a success has a record of each, and a task that never began was
cancelled, or refused, with its array."""

FAILURES = frozenset(state for state in JobState if state.final) - {JobState.SUCCEEDED, JobState.CANCELLED}
"""Ends of a task that nobody wanted."""


def news(known: Mapping[int, Task], seen: Iterable[Task]) -> list[Task]:
    """The tasks of `seen` that are to be written over those `known`, by index."""
    changed = (_newer(known.get(task.index), task) for task in seen)
    return [task for task in changed if task is not None]


def _newer(old: Task | None, seen: Task) -> Task | None:
    if old is None:
        waits = seen.state is JobState.PENDING and not seen.restarts
        return None if waits else seen
    if may_follow(old.state, old.restarts, seen.state, seen.restarts):
        return _filled(seen, old) if seen.restarts == old.restarts else seen
    if seen.state is old.state and seen.restarts <= old.restarts:
        filled = _filled(old, seen)
        return None if filled is old else filled
    return None


def _filled(task: Task, other: Task) -> Task:
    """`task` with what only `other`, the same run of it, tells; the very same where that is nothing."""
    more: dict[str, Any] = {
        name: value
        for name in _MAY_COME_LATER
        if getattr(task, name) in (None, "") and (value := getattr(other, name)) not in (None, "")
    }
    return task.model_copy(update=more) if more else task


def joined(first: Iterable[Task], then: Iterable[Task]) -> tuple[Task, ...]:
    """Both views of one array: the `first` counts, `then` adds tasks and what the first does not tell."""
    known = {task.index: task for task in first}
    known |= {task.index: task for task in news(known, then)}
    return tuple(known.values())


def together(tasks: Mapping[JobState | None, int]) -> JobState | None:
    """The state of an array of which so many tasks stand in each state.

    PENDING until the first starts, RUNNING until the last is over, then the worst end of any task.
    """
    known = {state for state, count in tasks.items() if count}
    live = {state for state in known if state is not None and not state.final}
    if live == known:
        return live.pop() if len(live) == 1 else JobState.RUNNING if live else None
    if live:
        return JobState.RUNNING
    return None if None in known else next((state for state in _WORST_FIRST if state in known), None)


def of_untold(state: JobState) -> JobState:
    """How a task stands that nobody tells of, while its array stands in `state`."""
    if not state.final:
        return min(state, JobState.PENDING, key=lambda one: one.rank)
    return state if state in _SHARED_END else JobState.LOST


def shown(state: JobState, of_array: JobState) -> JobState:
    """How a task stands whose last news is `state`: over with its array, though nobody told its end."""
    return of_untold(of_array) if of_array.final and not state.final else state


def counted(array: str, of_array: JobState, known: Collection[JobState]) -> dict[str, int]:
    """How many tasks of `array`, which stands in `of_array`, stand in which state."""
    counts = Counter(shown(state, of_array) for state in known)
    counts[of_untold(of_array)] += max(0, task_count(array) - len(known))
    return {state.value: counts[state] for state in JobState if counts[state]}


def usage_of(tasks: Collection[Task]) -> Usage | None:
    """What they used: CPU seconds add up; the longest task and the largest memory stand for the rest."""
    elapsed = [task.elapsed_s for task in tasks if task.elapsed_s is not None]
    if not elapsed:
        return None
    return Usage(
        elapsed_s=max(elapsed),
        cpu_s=sum(task.cpu_s for task in tasks if task.cpu_s is not None),
        max_rss=max((task.max_rss for task in tasks if task.max_rss is not None), default=None),
    )
