"""Tasks of arrays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text, bindparam, cast, func, literal_column, select

from ..domain.arrays import MAX_INDEX
from ..domain.states import JobState
from ..domain.tasks import Task
from .columns import storable
from .part import Part
from .schema import job_tasks

_KEY = ("job_id", "task")
_TASK = [column for column in job_tasks.c if column.name != "job_id"]
_FIELDS = tuple("index" if column.name == "task" else column.name for column in _TASK)
_REST = _FIELDS[1:]
_GIVEN = func.json_populate_recordset(
    literal_column("CAST(NULL AS job_tasks)"), cast(bindparam("rows", type_=Text), JSON)
).table_valued(*job_tasks.c.keys())
_STATES = select(job_tasks.c.task, job_tasks.c.state).where(job_tasks.c.job_id == bindparam("job_id"))
_TASKS = (
    select(*_TASK)
    .where(
        job_tasks.c.job_id == bindparam("job_id"),
        job_tasks.c.task.between(bindparam("first"), bindparam("last")),
    )
    .order_by(job_tasks.c.task)
)


class Tasks(Part):
    """Queries on `job_tasks`."""

    def tasks(self, job_id: int, first: int = 0, last: int = MAX_INDEX) -> list[Task]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            rows = connection.execute(_TASKS, {"job_id": job_id, "first": first, "last": last})
            return [_task(row) for row in rows]

    def task_states(self, job_id: int) -> dict[int, JobState]:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            rows = connection.execute(_STATES, {"job_id": job_id})
            return {index: JobState(state) for index, state in rows}

    def keep_tasks(self, tasks: Sequence[tuple[int, Sequence[Task]]]) -> None:
        """See `ports.Store`.

        To PostgreSQL a row of parameters costs ten times what it costs as JSON.
        """
        rows = [_row(job_id, task) for job_id, several in tasks for task in several]
        if not rows:
            return
        put = self._database.insert(job_tasks)
        over = {name: put.excluded[name] for name in _REST}
        with self._database.writing() as connection:
            if connection.dialect.name == "postgresql":
                all_of_them = put.from_select(job_tasks.c.keys(), select(*_GIVEN.c))
                written = all_of_them.on_conflict_do_update(index_elements=_KEY, set_=over)
                connection.execute(written, {"rows": json.dumps(rows, default=datetime.isoformat)})
            else:
                connection.execute(put.on_conflict_do_update(index_elements=_KEY, set_=over), rows)


def _row(job_id: int, task: Task) -> dict[str, Any]:
    fields = {name: getattr(task, name) for name in _REST}
    return fields | {"job_id": job_id, "task": task.index, "node": storable(task.node)}


def _task(row: Any) -> Task:
    return Task(**dict(zip(_FIELDS, row, strict=True)))
