"""How a job moves: pure rules from what was seen to the job's next row and the events that tell of it.

Each rule returns a `Step` (the new job and its events) or None when nothing changes. Rules never guess:
absence of news changes nothing, and success needs both Slurm's word and the wrapper's end record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .arrays import task_count
from .ending import cancelled_end, end_of, lost_end, rejected_end
from .jobs import End, EventKind, Job, JobEvent
from .scheduling import EndRecord, Sighting, SubmitOutcome, Verdict
from .states import JobState, may_follow
from .tasks import Task, counted, joined, news, together, usage_of

START_ESTIMATE_SLACK = timedelta(minutes=1)
"""Slurm moves its start estimates all the time; smaller moves are not worth a row."""


USAGE_COMES_WITHIN = timedelta(minutes=10)
"""So long after its end a job is looked at for what accounting tells later."""

_NOT_OVER: dict[str, Any] = {"end": None, "ended_at": None}
"""What a job that was thought over forgets when it comes back."""


@dataclass(frozen=True)
class Step:
    """A change: the job as it will be, what its history says about it, and which of its tasks changed."""

    old: Job
    new: Job
    events: tuple[JobEvent, ...]
    tasks: tuple[Task, ...] = ()


def step(job: Job, now: datetime, text: str = "", kind: EventKind = EventKind.STATE, **fields: Any) -> Step:
    """Return `job` with `fields` changed at `now`, and one event when there is a `text`."""
    new = job.model_copy(update={**fields, "changed_at": now})
    events = (JobEvent(at=now, kind=kind, state=new.state, text=text),) if text else ()
    return Step(job, new, events)


def begin_submission(job: Job, now: datetime, quiet: timedelta) -> Step:
    """Note, before the scheduler hears of it, that a submission begins: from now on Slurm may have a copy."""
    return step(
        job,
        now,
        "Submitting to Slurm" if job.attempts == 0 else f"Submitting to Slurm, try {job.attempts + 1}",
        state=JobState.SUBMITTING,
        attempts=job.attempts + 1,
        submitted_at=now,
        not_before=now + quiet,
    )


def after_submission(job: Job, outcome: SubmitOutcome, now: datetime, quiet: timedelta) -> Step:
    """What one submission's outcome makes of a SUBMITTING job."""
    if outcome.verdict is Verdict.ACCEPTED:
        return _queued(job, outcome.slurm_id, now)
    if outcome.verdict is Verdict.REJECTED:
        return finish(job, JobState.REJECTED, rejected_end(outcome.message), now)
    if outcome.verdict is Verdict.UNKNOWN:
        text = f"Slurm's answer was lost ({outcome.message}); looking for the job before trying again"
        return step(job, now, text, EventKind.NOTE, not_before=now + quiet)
    wait = min(quiet, timedelta(seconds=2.0 ** min(job.attempts, 6)))
    text = f"Not submitted yet: {outcome.message}" if job.attempts == 1 else ""
    return step(job, now, text, EventKind.NOTE, submitted_at=None, not_before=now + wait)


def after_claim(job: Job, slurm_id: int, restarts: int, node: str, now: datetime) -> Step | None:
    """What a job's own word that it starts on `node` says: it runs, before the next look at the cluster shows
    it.

    A restart count we have not seen in Slurm is not taken from it: the owner can forge it, and nothing Slurm
    says later could follow one that is too high.
    """
    if restarts != job.restarts or not may_follow(job.state, job.restarts, JobState.RUNNING, restarts):
        return None
    told: dict[str, Any] = {"slurm_id": slurm_id, "started_at": now, "node": node or job.node}
    quiet: dict[str, Any] = {"reason": "", "expected_start": None, "not_before": None}
    return step(job, now, state=JobState.RUNNING, **told, **quiet, **_NOT_OVER)


def after_usage(job: Job, sighting: Sighting, now: datetime) -> Step | None:
    """Accounting's numbers come later than the end itself, and only accounting knows who cancelled a job."""
    if job.usage is not None or sighting.usage is None or sighting.slurm_id != job.slurm_id:
        return None
    if job.state is JobState.CANCELLED is sighting.state and sighting.cancelled_by is not None:
        _, end = end_of(job, sighting, ())
        return step(job, now, end.summary if end != job.end else "", usage=sighting.usage, end=end)
    return step(job, now, usage=sighting.usage)


def in_doubt(job: Job) -> bool:
    """May a copy of this SUBMITTING job be in Slurm though no answer said so? One that claimed is there."""
    begun = job.submitted_at is not None or job.claimed_by is not None
    return job.state is JobState.SUBMITTING and begun


def may_submit_again(job: Job, now: datetime, answering_since: datetime | None, quiet: timedelta) -> bool:
    """After a look-up that found nothing: has the scheduler answered for a quiet period since the doubt?

    A stalled controller may work off a queued request later, so time counts only while it answers.
    """
    waited = job.not_before is None or now >= job.not_before
    return waited and answering_since is not None and now - answering_since >= quiet


def is_of(sighting: Sighting, job: Job) -> bool:
    """Is this sighting a copy of `job`? Ids come round again, names can be forged: the uid must fit."""
    if sighting.uid != job.uid:
        return False
    if sighting.uuid is not None:
        return sighting.uuid == job.uuid
    return sighting.slurm_id == job.slurm_id


def true_copy(job: Job, copies: Sequence[Sighting], records: Sequence[EndRecord] = ()) -> Sighting | None:
    """Of several copies the one that counts; None when there is none, or not the one that claimed its start.

    The one that claimed its start; else the one that wrote `records`; else the one we know, unless it is over
    while another lives (it found itself second at the fence and left); else the oldest.
    """
    by_id = {copy.slurm_id: copy for copy in copies}
    if job.claimed_by is not None or not copies:
        return by_id.get(job.claimed_by or 0)
    written = [copy for copy in copies if records_of(copy, records)]
    live = [copy for copy in copies if not is_over(copy)]
    known = by_id.get(job.slurm_id) if job.slurm_id is not None else None
    if known is not None and not written and (not is_over(known) or not live):
        return known
    return min(written or live or copies, key=lambda copy: copy.slurm_id)


def with_tasks(job: Job, sighting: Sighting, known: Mapping[int, Task]) -> tuple[Sighting, tuple[Task, ...]]:
    """The sighting of an array, made whole by the tasks `known` from before, and the tasks it changes.

    Slurm forgets tasks long before the last one ends; so its word on all of them is no word on each. What
    they used is told once all of it is known.
    """
    if job.spec.array is None or sighting.state is None or not (known or sighting.known):
        return sighting, ()
    changed = news(known, sighting.known)
    tasks = {**known, **{task.index: task for task in changed}}
    states = [task.state for task in tasks.values() if task.state.final or not sighting.state.final]
    state = sighting.state
    if state.final:
        state = together(Counter(states)) or state
    counts = counted(job.spec.array, state, states)
    measured = all(task.measured for task in tasks.values()) and len(tasks) == sum(counts.values())
    whole = {
        "state": state if state.final else together({JobState(name): n for name, n in counts.items()}),
        "tasks": counts,
        "usage": usage_of(tasks.values()) if measured else None,
    }
    return sighting.model_copy(update=whole), tuple(changed)


def completed(sighting: Sighting, accounted: Sighting) -> Sighting:
    """`sighting` of an array with the tasks that only accounting still knows."""
    return sighting.model_copy(update={"known": joined(sighting.known, accounted.known)})


def is_over(sighting: Sighting) -> bool:
    """Does the scheduler show this copy in a final state?"""
    return sighting.state is not None and sighting.state.final


def after_sighting(job: Job, sighting: Sighting, now: datetime) -> Step | None:
    """What a sighting of a job that is not over says. Final states are `after_end`'s."""
    state = sighting.state
    if state is None or state.final:
        return None
    follows = may_follow(job.state, job.restarts, state, sighting.restarts)
    if job.state.final and not follows:
        return None
    fields: dict[str, Any] = {}
    text = ""
    if sighting.slurm_id != job.slurm_id:
        fields["slurm_id"] = sighting.slurm_id
        text = f"Found in Slurm as job {sighting.slurm_id}"
    if follows:
        fields |= {"state": state, "restarts": sighting.restarts, "not_before": None} | _NOT_OVER
        text = _news(job, sighting, state)
    fields |= _details(job, sighting)
    return step(job, now, text, **fields) if fields else None


def after_end(
    job: Job, sighting: Sighting, records: Sequence[EndRecord], now: datetime, grace: timedelta
) -> Step | None:
    """What a sighting in a final state says, with the end records found in the job folder.

    Slurm's COMPLETED without the record is no success yet: the folder may not be visible here so far. The job
    waits in COMPLETING for `grace`, then fails with that as its cause. The wait is measured by our own clock:
    Slurm's may be ahead or behind.
    """
    state = sighting.state
    if state is None or not may_follow(job.state, job.restarts, state, sighting.restarts):
        return None
    ours = records_of(sighting, records)
    if state is JobState.SUCCEEDED and not _complete(job, sighting, ours):
        waiting = job.state is JobState.COMPLETING and job.restarts == sighting.restarts
        if not waiting:
            return _wait_for_results(job, sighting, now)
        if now - job.changed_at < grace:
            return None
        # Records of some tasks say nothing of the others.
        ours = [record for record in ours if record.exit_code != 0]
    verdict, end = end_of(job, sighting, ours)
    return finish(job, verdict, end, now, sighting)


def records_of(sighting: Sighting, records: Sequence[EndRecord]) -> list[EndRecord]:
    """The end records this copy wrote in its last run: no other copy's, none of an earlier restart.

    Tasks of an array are restarted each for itself and leave one record each, their last. Accounting may show
    fewer restarts than there were: a window of time holds only the last of them.
    """
    mine = [record for record in records if record.slurm_id == sighting.slurm_id]
    return mine if sighting.tasks else [record for record in mine if record.restarts >= sighting.restarts]


def after_forgetting(job: Job, now: datetime) -> Step:
    """A controller that is killed forgets what it took last: a job that never started may be submitted again.

    Should it have started all the same, its folder's fence ends the second copy.
    """
    text = "Slurm forgot it before it started; it is submitted again"
    untold: dict[str, Any] = {"slurm_id": None, "submitted_at": None, "not_before": None}
    return step(job, now, text, state=JobState.SUBMITTING, reason="", expected_start=None, **untold)


def after_absence(job: Job, records: Sequence[EndRecord], now: datetime) -> Step:
    """What to make of a job neither queue nor accounting know any more: its own record, else LOST.

    Records of some tasks of an array tell of a failure, but not of success.
    """
    ghost = Sighting(
        slurm_id=job.slurm_id or 0,
        uuid=job.uuid,
        uid=job.uid,
        state=JobState.SUCCEEDED,
        restarts=job.restarts,
        node=job.node,
        tasks=job.tasks,
    )
    ours = records_of(ghost, records)
    if not any(record.exit_code for record in ours) and not _complete(job, ghost, ours):
        return finish(job, JobState.LOST, lost_end(), now)
    verdict, end = end_of(job, ghost, ours)
    return finish(job, verdict, end, now)


def cancel_unsubmitted(job: Job, now: datetime) -> Step:
    """Cancel a job that certainly has no copy in Slurm."""
    return finish(job, JobState.CANCELLED, cancelled_end(job.cancel_by), now)


def finish(job: Job, state: JobState, end: End, now: datetime, sighting: Sighting | None = None) -> Step:
    """The job is over."""
    fields: dict[str, Any] = _details(job, sighting) if sighting else {}
    if sighting:
        fields |= {"slurm_id": sighting.slurm_id, "restarts": sighting.restarts, "usage": sighting.usage}
    fields |= {
        "state": state,
        "end": end,
        "ended_at": (sighting.ended_at if sighting else None) or now,
        "not_before": None,
        "reason": "",
        "expected_start": None,
    }
    return step(job, now, end.summary, **fields)


def _queued(job: Job, slurm_id: int | None, now: datetime) -> Step:
    return step(
        job,
        now,
        f"Queued as Slurm job {slurm_id}",
        state=JobState.PENDING,
        slurm_id=slurm_id,
        not_before=None,
    )


def _wait_for_results(job: Job, sighting: Sighting, now: datetime) -> Step:
    fields = _details(job, sighting) | _NOT_OVER
    fields |= {"slurm_id": sighting.slurm_id, "restarts": sighting.restarts, "state": JobState.COMPLETING}
    return step(job, now, "Ended; waiting for its results to be visible", **fields)


def _complete(job: Job, sighting: Sighting, records: Sequence[EndRecord]) -> bool:
    """Has every task asked for written its record? Slurm forgets tasks long before the last one ends."""
    tasks = task_count(job.spec.array) if job.spec.array else 1
    return len(records) >= max(tasks, sum(sighting.tasks.values()))


def _news(job: Job, sighting: Sighting, state: JobState) -> str:
    if sighting.restarts > job.restarts:
        return f"Requeued by Slurm (restart {sighting.restarts})"
    if job.state is JobState.SUBMITTING:
        return f"Found in Slurm as job {sighting.slurm_id}"
    if state is JobState.RUNNING:
        return f"Started on {sighting.node}" if sighting.node else "Started"
    return {JobState.PENDING: "Queued", JobState.COMPLETING: "Ending"}.get(state, state.value)


def _details(job: Job, sighting: Sighting) -> dict[str, Any]:
    """The fields of `sighting` that differ from what `job` says."""
    details: dict[str, Any] = {
        field: value
        for field in ("reason", "node", "started_at", "tasks")
        if (value := getattr(sighting, field)) != getattr(job, field) and (value or field == "reason")
    }
    old, new = job.expected_start, sighting.expected_start
    if (old is None) != (new is None) or (old and new and abs(old - new) > START_ESTIMATE_SLACK):
        details["expected_start"] = new
    return details
