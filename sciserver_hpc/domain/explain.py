"""States in sentences: what is happening and what to do next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from .ending import lost_end
from .jobs import Job
from .reasons import why_pending
from .resources import duration
from .states import JobState

PATIENCE = timedelta(minutes=1)
"""An accepted job is in Slurm within seconds; after so long something is wrong."""

_WORDS = {
    JobState.SUCCEEDED: "Succeeded.",
    JobState.FAILED: "Failed. The end of the error log says more.",
    JobState.CANCELLED: "Cancelled.",
    JobState.TIMEOUT: "Stopped at its time limit. Ask for more time and run again.",
    JobState.OUT_OF_MEMORY: "Out of memory. Ask for more memory and run again.",
    JobState.NODE_FAIL: "Its node failed. Run it again.",
    JobState.PREEMPTED: "Stopped to make room for a job of higher priority. Run it again.",
    JobState.REJECTED: "Slurm did not accept it. Change what it asks for and run again.",
    JobState.LOST: f"{lost_end().summary} {lost_end().advice}",
}
"""What to say of an ended job whose end tells nothing."""


def explain(job: Job, now: datetime) -> str:
    """State, cause and next step of `job` at `now`, in one to three sentences."""
    sentence = _ended(job) if job.state.final else _live(job, now)
    tasks = _tasks(job)
    return f"{sentence} {tasks}" if tasks else sentence


def _ended(job: Job) -> str:
    if job.state is JobState.SUCCEEDED and job.started_at and job.ended_at:
        return f"Succeeded after {_span(job.ended_at - job.started_at)}."
    if job.end is None or not job.end.summary:
        return _WORDS[job.state]
    return " ".join(_sentence(part) for part in (job.end.summary, job.end.advice) if part)


def _sentence(text: str) -> str:
    """Slurm's own words come without a full stop."""
    return text if text.endswith((".", "!", "?", "”")) else f"{text}."


def _live(job: Job, now: datetime) -> str:
    sentence = _LIVE[job.state](job, now)
    if not job.cancel_requested:
        return sentence
    by = f" by {job.cancel_by}" if job.cancel_by else ""
    return f"Being cancelled{by}. Until Slurm has done so: {sentence}"


def _accepted(job: Job, now: datetime) -> str:
    if job.spec.dependencies:
        ids = ", ".join(str(dependency.job) for dependency in job.spec.dependencies)
        return f"Accepted. It goes to Slurm as soon as what it depends on is there too (job {ids})."
    waited = now - job.accepted_at
    if waited > PATIENCE:
        return (
            f"Accepted {_span(waited)} ago and still not in Slurm. It is not lost; if this lasts, tell an "
            "administrator that the broker may be down."
        )
    return "Accepted. It goes to Slurm within seconds."


def _submitting(job: Job, now: datetime) -> str:
    if job.not_before is None or job.not_before <= now or job.attempts == 0:
        return "Being submitted to Slurm."
    wait = _span(job.not_before - now)
    if job.submitted_at is None:
        return f"It could not be handed to Slurm yet. The next try is in {wait}; nothing for you to do."
    return (
        f"Being submitted to Slurm. Should its answer be lost, it is looked up before a next try in {wait}."
    )


def _pending(job: Job, now: datetime) -> str:
    sentence = f"Pending: {why_pending(job.reason)}"
    start = job.expected_start
    if start is None or start <= now:
        return sentence
    return f"{sentence} Slurm expects it to start in about {_span(start - now)}."


def _running(job: Job, now: datetime) -> str:
    where = f" on {job.node}" if job.node else ""
    limit = duration(job.spec.resources.time_limit_s)
    if job.started_at is None:
        return f"Running{where}, at most {limit}."
    return f"Running{where} for {_span(now - job.started_at)} of at most {limit}."


def _completing(_job: Job, _now: datetime) -> str:
    return "Ended; its results are being brought to you. This takes seconds."


_LIVE: dict[JobState, Callable[[Job, datetime], str]] = {
    JobState.ACCEPTED: _accepted,
    JobState.SUBMITTING: _submitting,
    JobState.PENDING: _pending,
    JobState.RUNNING: _running,
    JobState.COMPLETING: _completing,
}


def _tasks(job: Job) -> str:
    """Of an array: how many tasks stand where, in the order of a job's way."""
    if job.spec.array is None or not job.tasks:
        return ""
    counts = [(state, job.tasks.get(state.value, 0)) for state in JobState]
    listed = ", ".join(f"{count} {state.value.lower().replace('_', ' ')}" for state, count in counts if count)
    return f"Tasks: {listed}." if listed else ""


def _span(time: timedelta) -> str:
    return duration(max(0, round(time.total_seconds())))
