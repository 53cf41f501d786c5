"""The live half: every job slurmctld remembers, in one call (squeue(1), 22.05 to 26.05).

A job's name may hold anything, also separators and newlines, so each call ends its records with a word that
nobody can have put into a name before: nothing a user wrote can end a record or begin another.
"""

from __future__ import annotations

from ..domain.arrays import task_count
from ..domain.states import JobState
from .rows import Row
from .slurm_states import state_of
from .values import exit_pair, first_node, moment, whole

_UNIT = "\x1f"
_FIELDS = (
    "ArrayJobID",
    "ArrayTaskID",
    "State",
    "UserID",
    "RestartCnt",
    "StartTime",
    "EndTime",
    "exit_code",
    "BatchHost",
    "Reason",
    "Name",
)
_UNTIL_NAME = len(_FIELDS) - 1


def arguments(nonce: str) -> list[str]:
    """Options of the call whose records end with `nonce` (letters first, no comma).

    `Field:<suffix>` without a size does not cut values; --format's letters lack the restart count.
    """
    fields = [f"{field}:{_UNIT}" for field in _FIELDS]
    fields[-1] = f"Name:{_UNIT}{nonce}"
    return ["--noheader", "--all", "--states=all", f"--Format={','.join(fields)}"]


def parse(output: str, nonce: str) -> list[Row]:
    """Rows of `output`; a record that cannot be read is left out and spoils no other."""
    records = output.split(f"{_UNIT}{nonce}")[:-1]
    return [row for row in map(_row, records) if row is not None]


def _row(record: str) -> Row | None:
    values = record.removeprefix("\n").split(_UNIT, _UNTIL_NAME)
    if len(values) != len(_FIELDS):
        return None
    seen = dict(zip(_FIELDS, values, strict=True))
    slurm_id, uid = whole(seen["ArrayJobID"]), whole(seen["UserID"])
    if slurm_id is None or uid is None:
        return None
    state = state_of(seen["State"])
    task = None if seen["ArrayTaskID"] in ("N/A", "") else seen["ArrayTaskID"]
    over = state is not None and state.final
    waiting = state is JobState.PENDING
    start = moment(seen["StartTime"])
    code, signal = exit_pair(seen["exit_code"]) if over else (None, None)
    return Row(
        slurm_id=slurm_id,
        task=task,
        count=task_count(task) if task else 1,
        name=seen["Name"],
        uid=uid,
        state=state,
        restarts=whole(seen["RestartCnt"]) or 0,
        reason="" if seen["Reason"] == "None" else seen["Reason"],
        node=first_node(seen["BatchHost"]),
        expected_start=start if waiting else None,
        started_at=None if waiting else start,
        ended_at=moment(seen["EndTime"]) if over else None,
        exit_code=code,
        signal=signal,
    )
