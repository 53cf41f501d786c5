"""How a state looks: a word, a tone (colour) and a shape, never colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from sciserver_hpc.domain.session_views import Phase
from sciserver_hpc.domain.states import JobState


@dataclass(frozen=True)
class Look:
    """word: for people. tone: class of the stylesheet. shape: a character that tells it without colour."""

    word: str
    tone: str
    shape: str


LOOKS = {
    JobState.ACCEPTED: Look("Accepted", "wait", "○"),
    JobState.SUBMITTING: Look("Submitting", "wait", "◔"),
    JobState.PENDING: Look("Pending", "wait", "◷"),
    JobState.RUNNING: Look("Running", "run", "▶"),
    JobState.COMPLETING: Look("Completing", "run", "◕"),
    JobState.SUCCEEDED: Look("Succeeded", "good", "✓"),
    JobState.FAILED: Look("Failed", "bad", "✕"),
    JobState.CANCELLED: Look("Cancelled", "off", "⊘"),
    JobState.TIMEOUT: Look("Out of time", "bad", "⧖"),
    JobState.OUT_OF_MEMORY: Look("Out of memory", "bad", "▲"),
    JobState.NODE_FAIL: Look("Node failed", "bad", "◆"),
    JobState.PREEMPTED: Look("Preempted", "warn", "⇤"),
    JobState.REJECTED: Look("Rejected", "bad", "⊗"),
    JobState.LOST: Look("Lost", "warn", "?"),
}

PHASES = {
    Phase.WAITING: Look("Waiting", "wait", "◷"),
    Phase.STARTING: Look("Starting", "run", "◔"),
    Phase.OPEN: Look("Open", "good", "●"),
    Phase.STOPPING: Look("Stopping", "warn", "◕"),
    Phase.OVER: Look("Over", "off", "■"),
}
"""Of a session; one that ended badly looks as its job does."""

NEXT = {
    JobState.SUCCEEDED: "results",
    JobState.FAILED: "log",
    JobState.TIMEOUT: "edit",
    JobState.OUT_OF_MEMORY: "edit",
    JobState.REJECTED: "edit",
}
"""What one most likely wants of a job that ended so; to run it again, where nothing is said."""


def look(state: JobState | str) -> Look:
    """The look of `state`."""
    return LOOKS[JobState(state)]
