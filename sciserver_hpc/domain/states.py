"""States of a job: their order, which are final, and the codes SciServer clients know."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands.

    Ordered by `rank`; a job moves forward only (see `may_follow`).
    """

    ACCEPTED = "ACCEPTED"
    SUBMITTING = "SUBMITTING"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETING = "COMPLETING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    NODE_FAIL = "NODE_FAIL"
    PREEMPTED = "PREEMPTED"
    REJECTED = "REJECTED"
    LOST = "LOST"

    @property
    def rank(self) -> int:
        """Position on the way: 0 accepted … 4 completing, 5 for every final state."""
        return _RANK.get(self, 5)

    @property
    def final(self) -> bool:
        """True when the job is over."""
        return self.rank == 5

    @property
    def sciserver_code(self) -> int:
        """The power-of-two code of SciServer's job API (1 PENDING … 128 CANCELED)."""
        return _SCISERVER_CODE[self]


_RANK = {
    JobState.ACCEPTED: 0,
    JobState.SUBMITTING: 1,
    JobState.PENDING: 2,
    JobState.RUNNING: 3,
    JobState.COMPLETING: 4,
}

_SCISERVER_CODE = {
    JobState.ACCEPTED: 1,
    JobState.SUBMITTING: 1,
    JobState.PENDING: 2,
    JobState.RUNNING: 8,
    JobState.COMPLETING: 16,
    JobState.SUCCEEDED: 32,
    JobState.CANCELLED: 128,
} | dict.fromkeys(
    (
        JobState.FAILED,
        JobState.TIMEOUT,
        JobState.OUT_OF_MEMORY,
        JobState.NODE_FAIL,
        JobState.PREEMPTED,
        JobState.REJECTED,
        JobState.LOST,
    ),
    64,
)

ACTIVE = tuple(state for state in JobState if not state.final)
"""States of jobs the broker still has work with."""

_MAY_COME_BACK = {JobState.NODE_FAIL, JobState.PREEMPTED}


def may_follow(old: JobState, old_restarts: int, new: JobState, new_restarts: int) -> bool:
    """May a job in `old` (its `old_restarts`-th requeue) move to `new`?

    Forward only, with two exceptions that are news and not regressions: a requeue (higher restart count)
    starts the way again, also out of NODE_FAIL and PREEMPTED; and LOST means only that nothing was known, so
    any truth may follow it.
    """
    if old is JobState.LOST:
        return new is not JobState.LOST
    if new_restarts > old_restarts:
        return not old.final or old in _MAY_COME_BACK
    if new_restarts < old_restarts or old.final:
        return False
    return new.rank > old.rank
