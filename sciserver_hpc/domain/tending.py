"""What is due for a session: pure rules of the broker's doorman.

Times are by our own clock, which may jump; how long nobody used a session is by its gate's, which does not.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from .gates import GateStatus
from .jobs import Job
from .sessions import Gauge, Session, StopCause, ends_at, is_of, is_reached, slurm_end
from .states import JobState

STATUS_EVERY = timedelta(seconds=30)
"""How often a gate is asked how its session is used."""

FRESH = timedelta(seconds=10)
"""Nobody is sent away by an older status: they may be back."""

TOLD_AGAIN = timedelta(seconds=20)
"""A gate that was told to stop and lives is told again."""

LAST_WORDS_S = 30
"""How long a stopped session may take beyond its save hook before Slurm ends it."""

_LASTING = ("job_id", "version", "uuid", "owner", "app", "forgotten")
"""What a session keeps from one run of its job to the next."""


def opened(job: Job, session: Session, address: str, status: GateStatus, now: datetime) -> Session:
    """The gate of its run answered at `address`: people may come in."""
    if session.status is not None and not is_of(session.status, job):
        session = Session(**{name: getattr(session, name) for name in _LASTING})
    known = {"address": address, "knocked": False, "closed": False, "ready_at": session.ready_at or now}
    return seen(session.model_copy(update=known | {"ends_at": session.ends_at or _planned(job)}), status, now)


def _planned(job: Job) -> datetime | None:
    """The portal's deadline, where it is before Slurm's."""
    limit, wanted = slurm_end(job), job.spec.deadline_s
    if limit is None or wanted is None or job.started_at is None:
        return None
    planned = job.started_at + timedelta(seconds=wanted)
    return planned if planned < limit else None


def seen(session: Session, status: GateStatus, now: datetime) -> Session:
    """Its gate told how it is used. Use after a warning takes the warning back."""
    fields: dict[str, object] = {"status": status, "seen_at": now, "cpu_percent": _cpu(session, status, now)}
    if _was_used(session, status, now):
        fields |= {"idle_warned_at": None, "idle_warned_s": None}
    return session.model_copy(update=fields)


def _was_used(session: Session, status: GateStatus, now: datetime) -> bool:
    at, idle_s = session.idle_warned_at, session.idle_warned_s
    if at is None or idle_s is None:
        return False
    # Less than then; or less than has passed since: it was used long ago, while we were away.
    return status.idle_s < max(idle_s, (now - at).total_seconds())


def _cpu(session: Session, status: GateStatus, now: datetime) -> float | None:
    before = session.status
    if before is None or before.cpu_s is None or status.cpu_s is None or session.seen_at is None:
        return None
    passed = (now - session.seen_at).total_seconds()
    return round(max(0.0, status.cpu_s - before.cpu_s) / passed * 100, 1) if passed > 0 else None


def _apart(moment: datetime, now: datetime) -> timedelta:
    """Whichever way the clock went: after a jump back nothing waits for it to come there again."""
    return abs(now - moment)


def status_due(session: Session, now: datetime) -> bool:
    """Is its gate to be asked how it is used?"""
    return session.seen_at is None or _apart(session.seen_at, now) >= STATUS_EVERY


def idle_warning_due(session: Session, gauge: Gauge) -> bool:
    """Has nobody used it for so long that its owner is told?"""
    idle = session.status.idle_s if session.status else 0
    return session.idle_warned_at is None and session.stop is None and idle >= gauge.idle_s - gauge.grace_s


def idle_warned(session: Session, now: datetime) -> dict[str, object]:
    """What changes when its owner is told so."""
    return {"idle_warned_at": now, "idle_warned_s": session.status.idle_s if session.status else 0.0}


def idle_left_s(session: Session, gauge: Gauge) -> float | None:
    """How long after its last status it is stopped, unless somebody uses it; None while it is not warned."""
    if session.idle_warned_s is None or session.status is None:
        return None
    return max(0.0, session.idle_warned_s + gauge.grace_s - session.status.idle_s)


def time_warning_due(job: Job, session: Session, gauge: Gauge, now: datetime) -> bool:
    """Is its end so near that its owner is told?"""
    end = ends_at(job, session)
    if session.time_warned_at is not None or session.stop is not None or end is None:
        return False
    return end - now <= timedelta(seconds=gauge.time_warning_s)


def time_stop_at(session: Session, gauge: Gauge, warned_at: datetime) -> datetime | None:
    """When its time is up for the portal: at its deadline; later where its owner was warned late, since the
    broker was away or the clock jumped. None: that is left to Slurm."""
    if session.ends_at is None:
        return None
    whole = session.ends_at - (session.ready_at or session.ends_at)
    grace = max(timedelta(0), min(timedelta(seconds=gauge.grace_s), whole))
    return max(session.ends_at, warned_at + grace)


def time_up_at(job: Job, session: Session, gauge: Gauge, warned_at: datetime) -> datetime | None:
    """When its time is up for whoever is warned of it now: by the portal or by Slurm."""
    told = (time_stop_at(session, gauge, warned_at), slurm_end(job))
    return min((moment for moment in told if moment is not None), default=None)


def stop_due(job: Job, session: Session, gauge: Gauge, now: datetime) -> StopCause | None:
    """Why it is to be stopped; None when it is not, or is being stopped: that once begun has one cause."""
    if session.stop is not None or job.state is not JobState.RUNNING or not is_reached(job, session):
        return None
    if job.cancel_requested:
        return StopCause.STOPPED
    warned_at = session.time_warned_at
    end = warned_at and time_stop_at(session, gauge, warned_at)
    if end is not None and now >= end:
        return StopCause.TIME
    fresh = session.seen_at is not None and _apart(session.seen_at, now) <= FRESH
    return StopCause.IDLE if fresh and idle_left_s(session, gauge) == 0 else None


def telling_due(session: Session, now: datetime) -> bool:
    """Is its gate to be told to stop?"""
    return session.stop is not None and (
        session.told_at is None or _apart(session.told_at, now) >= TOLD_AGAIN
    )


def insisting_due(job: Job, session: Session, now: datetime) -> bool:
    """Is its stop, of which no person knows, to be carried to Slurm, since its gate does not obey?"""
    stopping = session.stop is not None and job.state is JobState.RUNNING and is_reached(job, session)
    return stopping and not job.cancel_requested and not leaves_by_itself(job, session, now)


def leaves_by_itself(job: Job, session: Session | None, now: datetime) -> bool:
    """Is its end its gate's for now, and not Slurm's? Where nobody was let in nothing is to be saved."""
    if session is None or job.state is not JobState.RUNNING or job.spec.app is None:
        return False
    longest = timedelta(seconds=job.spec.app.save_s + LAST_WORDS_S)
    return is_reached(job, session) and (session.stop_at is None or _apart(session.stop_at, now) < longest)
