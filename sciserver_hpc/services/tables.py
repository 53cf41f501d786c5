"""What the tasks of an array found, gathered into one table: a row per task.

A task may write a JSON object to the file that SCISERVER_RESULT names. These files are hostile input: the
owner's agent reads them, capped and along no link, and what is wrong with one stands in its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import JsonValue
from pydantic_core import from_json

from ..domain.errors import AgentError
from ..domain.jobs import Job
from ..domain.people import Person
from ..domain.result_table import MOST_FIELDS, ResultRow
from ..domain.scheduling import Owner
from ..domain.sweeps import Row
from ..domain.tasks import Task
from ..ports import Agents
from .arrays import Arrays, TaskPage
from .jobs import Jobs

LONGEST_PAGE = 200
"""Rows of one answer: a result may have 16 KiB."""

LARGEST = 32 * 2**20
"""Bytes of all results of one whole table."""

_TOO_LARGE = f"left out: the results are larger than {LARGEST >> 20} MB together"


@dataclass(frozen=True)
class ResultPage:
    """Rows of the table by task; `next`: the task to go on after, None at the end."""

    rows: tuple[ResultRow, ...]
    next: int | None


class Tables:
    """Gathers results. Every job is loaded by `Arrays`."""

    def __init__(self, jobs: Jobs, arrays: Arrays, agents: Agents) -> None:
        self._jobs = jobs
        self._arrays = arrays
        self._agents = agents

    def page(
        self, person: Person, job_id: int, after: int | None = None, limit: int = LONGEST_PAGE
    ) -> ResultPage:
        """At most `limit` rows after the task `after`. Raises NotFound, Conflict, AgentError, Unavailable."""
        page = self._arrays.page(person, job_id, after=after, limit=max(1, min(limit, LONGEST_PAGE)))
        rows, _ = self._rows(page, self._parameters(page.job), LARGEST)
        return ResultPage(tuple(rows), page.next)

    def whole(self, person: Person, job_id: int) -> Iterator[ResultRow]:
        """Every row. Raises as `page`, before the first row."""
        left, after = LARGEST, None
        parameters: Sequence[Row] | None = None
        while True:
            page = self._arrays.page(person, job_id, after=after, limit=LONGEST_PAGE)
            parameters = self._parameters(page.job) if parameters is None else parameters
            rows, left = self._rows(page, parameters, left)
            yield from rows
            if page.next is None:
                return
            after = page.next

    def _parameters(self, job: Job) -> Sequence[Row]:
        if not job.spec.sweep:
            return ()
        sweep = self._jobs.asked(job).sweep
        return sweep.rows() if sweep else ()

    def _rows(self, page: TaskPage, parameters: Sequence[Row], left: int) -> tuple[list[ResultRow], int]:
        """With how much of the whole table's size is left after them."""
        rows = []
        for task, (text, problem) in zip(page.tasks, self._texts(page), strict=True):
            left -= len(text)
            result, wrong = _told(text, problem) if left >= 0 else ({}, _TOO_LARGE)
            varied = parameters[task.index] if task.index < len(parameters) else {}
            rows.append(_row(task, varied, result, wrong))
        return rows, left

    def _texts(self, page: TaskPage) -> Sequence[tuple[str, str]]:
        job = page.job
        names = [f"result.{task.index}.json" for task in page.tasks]
        agent = self._agents.of(Owner(username=job.owner, uid=job.uid, gid=job.spec.gid))
        try:
            return agent.results(job.spec.results_root, job.spec.folder, names)
        except AgentError as error:
            if error.reason != "not_found":
                raise
            return [("", "absent")] * len(names)


def _row(task: Task, parameters: Row, result: Row, problem: str) -> ResultRow:
    return ResultRow(
        task=task.index,
        state=task.state,
        exit_code=task.exit_code,
        elapsed_s=task.elapsed_s,
        parameters=parameters,
        result=result,
        problem=problem,
    )


def _told(text: str, problem: str) -> tuple[Row, str]:
    if problem:
        return {}, "" if problem == "absent" else problem
    return _read(text)


def _read(text: str) -> tuple[Row, str]:
    """The fields of a result, or what is wrong with it."""
    try:
        found: JsonValue = from_json(text, allow_inf_nan=False)
    except (ValueError, RecursionError):
        return {}, "its result is not JSON"
    if not isinstance(found, dict):
        return {}, 'its result is no JSON object, as in {"area": 3.5}'
    if len(found) > MOST_FIELDS:
        return {}, f"its result has more than {MOST_FIELDS} fields"
    return found, ""
