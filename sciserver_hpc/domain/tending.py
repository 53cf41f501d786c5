"""What is due for a session: pure rules of the broker's doorman. Times are by our own clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from .gates import GateStatus
from .jobs import Job
from .sessions import Gauge, Session, StopCause, ends_at, slurm_end
from .states import JobState

STATUS_EVERY = timedelta(seconds=30)
"""How often a gate is asked how its session is used."""

TOLD_AGAIN = timedelta(seconds=20)
"""A gate that was told to stop and lives is told again."""

LAST_WORDS_S = 30
"""How long a stopped session may take beyond its save hook before Slurm ends it."""


def opened(job: Job, session: Session, address: str, status: GateStatus, now: datetime) -> Session:
    """Its gate answered at `address`: people may come in."""
    end = slurm_end(job)
    planned = (
        job.started_at and job.spec.deadline_s and job.started_at + timedelta(seconds=job.spec.deadline_s)
    )
    sooner = planned if planned and end and planned < end else None
    known = {"address": address, "knocked": False, "ready_at": session.ready_at or now}
    return seen(session.model_copy(update=known | {"ends_at": session.ends_at or sooner}), status, now)


def seen(session: Session, status: GateStatus, now: datetime) -> Session:
    """Its gate told how it is used."""
    fields: dict[str, object] = {"status": status, "seen_at": now, "cpu_percent": _cpu(session, status, now)}
    if session.idle_warned_at is not None and status.idle_s < (now - session.idle_warned_at).total_seconds():
        fields["idle_warned_at"] = None
    return session.model_copy(update=fields)


def _cpu(session: Session, status: GateStatus, now: datetime) -> float | None:
    before = session.status
    if before is None or before.cpu_s is None or status.cpu_s is None or session.seen_at is None:
        return None
    passed = (now - session.seen_at).total_seconds()
    return round(max(0.0, status.cpu_s - before.cpu_s) / passed * 100, 1) if passed > 0 else None


def status_due(session: Session, now: datetime) -> bool:
    """Is its gate to be asked how it is used?"""
    return bool(session.address) and (session.seen_at is None or now - session.seen_at >= STATUS_EVERY)


def idle_warning_due(session: Session, gauge: Gauge) -> bool:
    """Has nobody used it for so long that its owner is told?"""
    idle = session.status.idle_s if session.status else 0
    return session.idle_warned_at is None and session.stop is None and idle >= gauge.idle_s - gauge.grace_s


def time_warning_due(job: Job, session: Session, gauge: Gauge, now: datetime) -> bool:
    """Is its end so near that its owner is told?"""
    end = ends_at(job, session)
    return (
        session.time_warned_at is None
        and end is not None
        and end - now <= timedelta(seconds=gauge.time_warning_s)
    )


def stop_due(job: Job, session: Session, gauge: Gauge, now: datetime) -> StopCause | None:
    """Why its gate is to be told to stop now; None when it is not. Once begun, a stop has one cause."""
    if session.stop_at is not None and now - session.stop_at < TOLD_AGAIN:
        return None
    if session.stop is not None:
        return session.stop
    if job.cancel_requested:
        return StopCause.STOPPED
    if session.ends_at is not None and now >= session.ends_at:
        return StopCause.TIME
    warned = session.idle_warned_at
    if warned is not None and now - warned >= timedelta(seconds=gauge.grace_s):
        return StopCause.IDLE
    return None


def leaves_by_itself(job: Job, session: Session | None, now: datetime) -> bool:
    """Is its cancel the gate's for now, and not Slurm's? Where nobody was let in nothing is to be saved."""
    if session is None or not session.address or job.state is not JobState.RUNNING or job.spec.app is None:
        return False
    longest = timedelta(seconds=job.spec.app.save_s + LAST_WORDS_S)
    return session.stop_at is None or now - session.stop_at < longest
