"""Slurm's words for states."""

from __future__ import annotations

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


def state_of(words: str) -> JobState | None:
    """Our state for Slurm's, `CANCELLED by 1000` and `CANCELLED+` included; None for words we do not know."""
    word = words.split(" ", 1)[0].rstrip("+")
    return _BY_WORD.get(word)


def cancelled_by(words: str) -> int | None:
    """The uid in `CANCELLED by 1000`, as sacct writes it."""
    state, _, uid = words.partition(" by ")
    return int(uid) if state == "CANCELLED" and uid.isdecimal() else None
