"""The accounting half: jobs by the time they ended, by id or by name (sacct(1), 22.05 to 26.05).

Never --json (22.05 reports every failure as success), never by lines: fields end with a word made for the
call, so that names holding newlines or separators shift nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ..domain.arrays import task_count
from ..domain.jobs import Usage
from .rows import Row
from .slurm_states import cancelled_by, state_of
from .values import exit_pair, first_node, moment, seconds, size, whole, written

_FIELDS = (
    "JobID",
    "JobName",
    "State",
    "ExitCode",
    "UID",
    "NodeList",
    "Start",
    "End",
    "ElapsedRaw",
    "TotalCPU",
    "MaxRSS",
)
_OVER = "CD,F,TO,CA,NF,OOM,PR,DL,BF,RQ,RV"
_ANY = f"{_OVER},PD,R,S,RS"
"""With --state a window also shows what never became eligible: held, then cancelled."""

_ID = re.compile(r"(\d+)(?:_(?:(\d+)|\[([^\]]*)\]))?(?:\.(.+))?", re.DOTALL)

_Values = Mapping[str, str]


def arguments(nonce: str, *asked: str) -> list[str]:
    """Options of a call whose fields end with `nonce`.

    All users' jobs with their steps (memory is known per step) and earlier starts of requeued ones.
    """
    fixed = ["--allusers", "--duplicates", "--noheader", "--parsable", "--noconvert"]
    return [*fixed, f"--delimiter={nonce}", f"--format={','.join(_FIELDS)}", *asked]


def ended_since(since: datetime) -> list[str]:
    """Select jobs whose end lies between `since` and now."""
    return [f"--starttime={written(since)}", "--endtime=now", f"--state={_OVER}"]


def named(names: Iterable[str], since: datetime) -> list[str]:
    """Select jobs by name, in any state, known after `since`."""
    return [f"--starttime={written(since)}", "--endtime=now", f"--state={_ANY}", f"--name={','.join(names)}"]


def numbered(slurm_ids: Iterable[int]) -> list[str]:
    """Select jobs by id, whenever they ran."""
    return [f"--jobs={','.join(map(str, slurm_ids))}"]


def parse(output: str, nonce: str) -> list[Row]:
    """One row per job or array task, its last start; a record that cannot be read spoils no other."""
    starts: dict[tuple[int, str | None], list[Row]] = defaultdict(list)
    last: Row | None = None
    for values in _records(output, nonce):
        match = _ID.fullmatch(values["JobID"])
        if match is None:
            continue
        if match[4] is None:
            last = _row(match, values)
            if last is not None:
                _begin(starts[last.slurm_id, last.task], last)
        elif last is not None and int(match[1]) == last.slurm_id:
            same = starts[last.slurm_id, last.task]
            same[-1] = _with_step(same[-1], values)
    return [replace(rows[-1], restarts=len(rows) - 1) for rows in starts.values()]


def _begin(starts: list[Row], row: Row) -> None:
    """Add a start; one of another name is another job, whose id came round again."""
    if starts and starts[-1].name != row.name:
        starts.clear()
    starts.append(row)


def _records(output: str, nonce: str) -> Iterator[_Values]:
    """Every record has the same number of fields, whatever stands in them."""
    pieces = output.split(nonce)[:-1]
    for start in range(0, len(pieces) - len(_FIELDS) + 1, len(_FIELDS)):
        values: Sequence[str] = pieces[start : start + len(_FIELDS)]
        yield dict(zip(_FIELDS, [values[0].removeprefix("\n"), *values[1:]], strict=True))


def _row(match: re.Match[str], values: _Values) -> Row | None:
    uid, state = whole(values["UID"]), state_of(values["State"])
    if uid is None:
        return None
    task, waiting_tasks = match[2], match[3]
    over = state is not None and state.final
    code, signal = exit_pair(values["ExitCode"]) if over else (None, None)
    return Row(
        slurm_id=int(match[1]),
        task=task or waiting_tasks,
        count=task_count(waiting_tasks) if waiting_tasks else 1,
        name=values["JobName"],
        uid=uid,
        state=state,
        live=False,
        node=first_node(values["NodeList"]),
        started_at=moment(values["Start"]),
        ended_at=moment(values["End"]) if over else None,
        exit_code=code,
        signal=signal,
        cancelled_by=cancelled_by(values["State"]),
        usage=Usage(elapsed_s=whole(values["ElapsedRaw"]), cpu_s=seconds(values["TotalCPU"])),
    )


def _with_step(row: Row, values: _Values) -> Row:
    """`row` with what one of its steps says of memory."""
    step, usage = size(values["MaxRSS"]), row.usage or Usage()
    if step is None:
        return row
    return replace(row, usage=usage.model_copy(update={"max_rss": max(step, usage.max_rss or 0)}))
