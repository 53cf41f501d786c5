"""Slurm's words for states, and what an array's tasks make together."""

from __future__ import annotations

from collections.abc import Mapping

from ..domain.states import JobState

_STATES = {
    JobState.PENDING: "PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD SPECIAL_EXIT RESV_DEL_HOLD"
    " POWER_UP_NODE",
    JobState.RUNNING: "RUNNING SUSPENDED RESIZING SIGNALING STOPPED EXPEDITING UPDATE_DB",
    JobState.COMPLETING: "COMPLETING STAGE_OUT",
    JobState.SUCCEEDED: "COMPLETED",
    JobState.FAILED: "FAILED BOOT_FAIL LAUNCH_FAILED RECONFIG_FAIL",
    JobState.CANCELLED: "CANCELLED REVOKED",
    JobState.TIMEOUT: "TIMEOUT DEADLINE",
    JobState.OUT_OF_MEMORY: "OUT_OF_MEMORY",
    JobState.NODE_FAIL: "NODE_FAIL",
    JobState.PREEMPTED: "PREEMPTED",
}
"""Base states and the flags shown in their place (Slurm's job_state_codes page, 22.05 to 26.05)."""

_BY_WORD = {word: state for state, words in _STATES.items() for word in words.split()}

_WORST_FIRST = (
    JobState.CANCELLED,
    JobState.NODE_FAIL,
    JobState.OUT_OF_MEMORY,
    JobState.TIMEOUT,
    JobState.PREEMPTED,
    JobState.FAILED,
    JobState.SUCCEEDED,
)


def state_of(words: str) -> JobState | None:
    """Our state for Slurm's, `CANCELLED by 1000` and `CANCELLED+` included; None for words we do not know."""
    word = words.split(" ", 1)[0].rstrip("+")
    return _BY_WORD.get(word)


def cancelled_by(words: str) -> int | None:
    """The uid in `CANCELLED by 1000`, as sacct writes it."""
    state, _, uid = words.partition(" by ")
    return int(uid) if state == "CANCELLED" and uid.isdecimal() else None


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
    return None if None in known else next(state for state in _WORST_FIRST if state in known)
