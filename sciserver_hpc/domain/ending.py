"""Why a job ended, in words: Slurm's state, the wrapper's end record and the numbers made into one `End`."""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Sequence

from .jobs import End, Job
from .resources import duration
from .scheduling import EndRecord, Sighting
from .states import JobState

CONTAINER_FAILED = 255
"""Apptainer's own errors end with this code (apptainer 1.4)."""

_CAUSES = {
    "image_changed": (
        "The image's file is not the one that was catalogued, so it was not run.",
        "Tell an administrator; they catalogue the new file, then run the job again.",
    ),
    "refused": (
        "A grant this job needs was withdrawn before it started.",
        "Ask for the grant again, then run the job again.",
    ),
    "no_space": (
        "The results could not be written: the volume is full.",
        "Delete what you no longer need, or choose another results volume, then run again.",
    ),
    "folder": (
        "The job folder could not be entered on the node.",
        "It may have been moved or deleted. Run the job again.",
    ),
    "sweep": (
        "A task's row of the sweep could not be read.",
        "Its file in the job folder may have been changed or deleted. Run the job again.",
    ),
    "no_scratch": (
        "The node had no room for temporary files.",
        "Run again; tell an administrator if it happens again.",
    ),
    "container": (
        "The container could not be started on the node.",
        "The end of the error log says why; if it is not about your files, tell an administrator.",
    ),
    "not_ready": (
        "The app never answered.",
        "The end of the error log says why. Start it again; with more memory if it is large.",
    ),
    "app_gone": ("The app went away.", "The end of the error log says more. Start it again."),
    "service": (
        "A service that the app needs ended.",
        "What it said stands in its log in the session's folder. Start the session again.",
    ),
    "gate": (
        "The part of the session that lets people in failed.",
        "Start it again; tell an administrator if it happens again.",
    ),
}
"""The wrapper's own causes (EndRecord.cause) → summary, advice."""

_STOPS = {
    "idle": (
        JobState.CANCELLED,
        End(
            exit_code=0,
            summary="Stopped: nobody used it any more.",
            advice="Start it again, with the same volumes; what stands in them is still there.",
        ),
    ),
    "time": (
        JobState.TIMEOUT,
        End(
            exit_code=0,
            summary="Stopped: its time was up.",
            advice="Start it again, with the same volumes, or ask for more time.",
        ),
    ),
}
"""How the portal ends a session, beside a person's word: cause → what came of it."""

_OWN_EXITS = {92: "sweep", 94: "no_scratch", 95: "image_changed", 96: "refused", 97: "folder", 98: "no_space"}
"""The wrapper's own exit codes → cause, where it could leave no record: a payload that ends so leaves one."""

_EXIT_ADVICE = {
    126: "The command was found but may not be executed.",
    127: "A command was not found. Is it in this image?",
    130: "Interrupted by a signal.",
    137: "Killed, most often for memory. Ask for more memory and run again.",
    139: "The program crashed (segmentation fault).",
    143: "Ended by a signal (TERM).",
    CONTAINER_FAILED: "Often the container's own error. See the end of the error log.",
}


def end_of(job: Job, sighting: Sighting, records: Sequence[EndRecord]) -> tuple[JobState, End]:
    """Judge a job Slurm says is over. `records` are those of this very copy.

    The state may differ from Slurm's word only for the worse.
    """
    state = sighting.state or JobState.LOST
    record = max(records, key=lambda r: (r.exit_code != 0, r.exit_code), default=None)
    if state is JobState.SUCCEEDED:
        return _after_success(job, sighting, record)
    if job.cancel_requested and record is not None and record.cause == "refused":
        return JobState.CANCELLED, cancelled_end(job.cancel_by)
    maker = _MAKERS.get(state, _failed)
    return state, maker(job, sighting, record)


def _after_success(job: Job, sighting: Sighting, record: EndRecord | None) -> tuple[JobState, End]:
    if record is None:
        return JobState.FAILED, End(
            exit_code=sighting.exit_code,
            summary="Slurm says it ended well, but its results never became visible.",
            advice="Look into the job folder. If all is there, tell an administrator: the filesystem lags.",
        )
    if record.exit_code != 0:
        return JobState.FAILED, _failed(job, sighting, record)
    if job.spec.app is not None:
        return _session_over(job, record)
    return JobState.SUCCEEDED, End(exit_code=0, summary="Succeeded.")


def _session_over(job: Job, record: EndRecord) -> tuple[JobState, End]:
    """A session that was stopped in order, or whose app was closed from within."""
    if record.cause in _STOPS:  # whoever asked for a stop after it had begun
        return _STOPS[record.cause]
    if record.cause == "stopped" or job.cancel_requested:
        return JobState.CANCELLED, cancelled_end(job.cancel_by)
    return JobState.SUCCEEDED, End(exit_code=0, summary="Ended: the app was closed.")


def _failed(job: Job, sighting: Sighting, record: EndRecord | None) -> End:
    cause = record.cause if record else _OWN_EXITS.get(sighting.exit_code or 0, "")
    # The owner can forge a record; one that says 0 is not believed against Slurm.
    code = (record.exit_code if record else 0) or sighting.exit_code
    if cause in _CAUSES:
        summary, advice = _CAUSES[cause]
        text = f"{summary} {record.message if record else ''}".strip()
        return End(exit_code=code, summary=text, advice=advice)
    if not code and sighting.signal:
        name = _signal_name(sighting.signal)
        return End(signal=sighting.signal, summary=f"Failed: killed by {name}.", advice=_see_log(job))
    summary = "Failed." if code is None else f"Failed with exit code {code}."
    return End(exit_code=code, summary=summary, advice=_EXIT_ADVICE.get(code or 0, _see_log(job)))


def _see_log(job: Job) -> str:
    return f"The end of {job.spec.stderr} says more."


def _cancelled(job: Job, sighting: Sighting, _record: EndRecord | None) -> End:
    if job.cancel_requested:
        return cancelled_end(job.cancel_by)
    who = job.owner if sighting.cancelled_by == job.uid else None
    # Slurm leaves the reason it was pending for, whoever cancels it.
    if "Dependency" in sighting.reason and who is None:
        return dependency_end("a job it depends on did not end as needed")
    if sighting.cancelled_by is None or who:
        return cancelled_end(who)
    # A node that cannot start a job has it cancelled as root.
    slurm = " or by Slurm itself" if sighting.cancelled_by == 0 else ""
    return End(
        by=f"uid {sighting.cancelled_by}",
        summary=f"Cancelled by an administrator{slurm} (uid {sighting.cancelled_by}).",
        advice="Ask the administrators why before running it again.",
    )


def _timeout(job: Job, _sighting: Sighting, _record: EndRecord | None) -> End:
    limit = duration(job.spec.resources.time_limit_s)
    return End(
        summary=f"Stopped at its time limit of {limit}.",
        advice="Ask for more time, or split the work, and run again.",
    )


def _out_of_memory(job: Job, sighting: Sighting, record: EndRecord | None) -> End:
    asked = job.spec.resources.memory_mb
    peak = sighting.usage.max_rss if sighting.usage else None
    used = f" at {peak / 2**20:.0f} of {asked} MB" if peak else f" of its {asked} MB"
    return End(
        exit_code=record.exit_code if record else None,
        summary=f"Out of memory{used}.",
        advice=f"Ask for {_more_memory(asked)} MB and run again.",
    )


def _more_memory(asked_mb: int) -> int:
    """One and a half times as much, rounded up to a half GiB: the next try should fit without waste."""
    return -(-asked_mb * 3 // (2 * 512)) * 512


def _node_fail(_job: Job, sighting: Sighting, _record: EndRecord | None) -> End:
    where = f" {sighting.node}" if sighting.node else ""
    return End(
        summary=f"The node{where} failed while the job ran.",
        advice="Nothing of yours caused this. Run again; Slurm avoids the broken node.",
    )


def _preempted(_job: Job, _sighting: Sighting, _record: EndRecord | None) -> End:
    return End(
        summary="Stopped to make room for a job of higher priority.",
        advice="Run again, or use a domain whose jobs are not preempted.",
    )


_MAKERS: dict[JobState, Callable[[Job, Sighting, EndRecord | None], End]] = {
    JobState.CANCELLED: _cancelled,
    JobState.TIMEOUT: _timeout,
    JobState.OUT_OF_MEMORY: _out_of_memory,
    JobState.NODE_FAIL: _node_fail,
    JobState.PREEMPTED: _preempted,
}


def cancelled_end(by: str | None) -> End:
    """Cancelled by `by`, or by somebody unknown."""
    return End(by=by, summary=f"Cancelled by {by}." if by else "Cancelled.")


def dependency_end(why: str) -> End:
    """Never started since a dependency cannot hold any more."""
    return End(summary=f"Not started: {why}.", advice="Mend and run that job again, then run this one again.")


def rejected_end(words: str) -> End:
    """Slurm refused the submission with `words`, or the job folder could not be made."""
    return End(
        summary=f"It could not be submitted: {words}",
        advice="Mend that and run again, or ask an administrator.",
    )


def lost_end() -> End:
    """Neither Slurm nor the job folder know how it ended."""
    return End(
        summary="Slurm no longer knows this job, and it left no end record. How it ended is unknown.",
        advice="Look at its files before running it again.",
    )


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
