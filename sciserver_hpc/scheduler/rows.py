"""One row of squeue or sacct, and how rows become sightings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..domain.arrays import MAX_TASKS, indices
from ..domain.jobs import Usage
from ..domain.scheduling import Sighting, uuid_of
from ..domain.states import JobState
from ..domain.tasks import Task, together


@dataclass(frozen=True)
class Row:
    """A job, an array task, or the tasks of an array that have no record of their own yet (`count` > 1).

    `slurm_id` of a task is its array's; `task` is None for a job that is no array.
    """

    slurm_id: int
    task: str | None
    count: int
    name: str
    uid: int
    state: JobState | None
    live: bool = True
    restarts: int = 0
    reason: str = ""
    node: str = ""
    expected_start: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    signal: int | None = None
    cancelled_by: int | None = None
    usage: Usage | None = None


def sightings(rows: Iterable[Row]) -> list[Sighting]:
    """One per Slurm id; rows of one array folded together."""
    by_id: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_id[row.slurm_id].append(row)
    return [_sighting(same) for same in by_id.values()]


def _sighting(rows: Sequence[Row]) -> Sighting:
    if len(rows) == 1 and rows[0].task is None:
        return _of_job(rows[0])
    return _of_array(rows)


def _of_job(row: Row) -> Sighting:
    return Sighting(
        slurm_id=row.slurm_id,
        uuid=uuid_of(row.name),
        uid=row.uid,
        state=row.state,
        live=row.live,
        restarts=row.restarts,
        reason=row.reason,
        node=row.node,
        expected_start=row.expected_start,
        started_at=row.started_at,
        ended_at=row.ended_at,
        exit_code=row.exit_code,
        signal=row.signal,
        cancelled_by=row.cancelled_by,
        usage=row.usage,
    )


def _of_array(rows: Sequence[Row]) -> Sighting:
    """Begins with its first task, ends with its last, and shows the exit of one that failed."""
    tasks: Counter[JobState | None] = Counter()
    for row in rows:
        tasks[row.state] += row.count
    state = together(tasks)
    worst = next((row for row in rows if row.state is state), rows[0])
    over = state is not None and state.final
    return _of_job(worst).model_copy(
        update={
            "state": state,
            "live": any(row.live for row in rows),
            "restarts": max(row.restarts for row in rows),
            "reason": next((row.reason for row in rows if row.state is JobState.PENDING), worst.reason),
            "expected_start": _earliest(row.expected_start for row in rows),
            "started_at": _earliest(row.started_at for row in rows),
            "ended_at": max((row.ended_at for row in rows if row.ended_at), default=None) if over else None,
            "usage": _added(row.usage for row in rows if row.usage),
            "tasks": {task.value: count for task, count in tasks.items() if task is not None},
            "known": tuple(task for row in rows for task in _tasks(row)),
        }
    )


def _tasks(row: Row) -> Iterator[Task]:
    """One by one; of several that end together, as those cancelled before they began, each.

    Arrays of others may be so large that naming their tasks would take the memory of all.
    """
    known = row.state is not None and (row.count == 1 or (row.state.final and row.count <= MAX_TASKS))
    if row.task is None or row.state is None or not known or uuid_of(row.name) is None:
        return
    usage = row.usage or Usage()
    began = bool(row.node) or not row.state.final
    for index in [int(row.task)] if row.task.isdecimal() else indices(row.task):
        yield Task(
            index=index,
            state=row.state,
            restarts=row.restarts,
            node=row.node,
            # Slurm dates the start of what it cancels before it began.
            started_at=row.started_at if began else None,
            ended_at=row.ended_at,
            exit_code=row.exit_code if began else None,
            signal=row.signal,
            elapsed_s=usage.elapsed_s,
            cpu_s=usage.cpu_s,
            max_rss=usage.max_rss,
        )


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    return min((time for time in times if time), default=None)


def _added(usages: Iterable[Usage]) -> Usage | None:
    """CPU seconds add up; the longest task and the largest memory stand for the rest."""
    known = list(usages)
    if not known:
        return None
    return Usage(
        elapsed_s=max((u.elapsed_s for u in known if u.elapsed_s is not None), default=None),
        cpu_s=sum(u.cpu_s for u in known if u.cpu_s is not None),
        max_rss=max((u.max_rss for u in known if u.max_rss is not None), default=None),
    )
