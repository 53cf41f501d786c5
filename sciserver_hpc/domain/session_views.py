"""A session as those see it who may: the same in page, API and command line."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from .app_fields import Value
from .explain import explain
from .jobs import Job
from .model import Model
from .resources import duration
from .sessions import Gauge, Session, ends_at, is_open, slurm_end
from .states import JobState
from .tending import idle_left_s
from .views import JobView, view


class Phase(StrEnum):
    """Where a session stands, for people: Slurm's states say less."""

    WAITING = "waiting"
    """Slurm has not started it."""

    STARTING = "starting"
    """It runs, and its app does not answer yet."""

    OPEN = "open"
    STOPPING = "stopping"
    OVER = "over"


class SessionView(Model):
    """What the API answers for a session. `job` says where it runs, on what and why it ended.

    Times are ISO 8601 with zone. here: who has it open; url: its page in the portal.
    """

    id: int
    app: str
    title: str
    phase: Phase
    sentence: str
    values: dict[str, Value]
    ready_at: AwareDatetime | None
    ends_at: AwareDatetime | None
    extendable_until: AwareDatetime | None
    idle_s: float | None
    stops_idle_at: AwareDatetime | None
    """When it is stopped unless somebody uses it; None while it is not warned."""

    cpu_percent: float | None
    memory_bytes: int | None
    seen_at: AwareDatetime | None
    """When the gate told these numbers."""

    here: tuple[str, ...]
    can_view: bool
    """Can its app be looked at without being used?"""

    job: JobView


def phase(job: Job, session: Session) -> Phase:
    """Where it stands."""
    if job.state.final:
        return Phase.OVER
    if job.cancel_requested or session.stop is not None or job.state is JobState.COMPLETING:
        return Phase.STOPPING
    if job.state is not JobState.RUNNING:
        return Phase.WAITING
    return Phase.OPEN if is_open(job, session) else Phase.STARTING


def session_view(
    job: Job, session: Session, here: tuple[str, ...], gauge: Gauge, now: datetime
) -> SessionView:
    """Return what may be seen of it at `now`."""
    status, app = session.status, job.spec.app
    return SessionView(
        id=job.id,
        app=session.app,
        title=app.title if app else session.app,
        phase=phase(job, session),
        sentence=sentence(job, session, gauge, now),
        values=job.spec.values,
        ready_at=session.ready_at,
        ends_at=ends_at(job, session),
        extendable_until=extendable_until(job, session),
        idle_s=status.idle_s if status else None,
        stops_idle_at=_idle_stop_at(session, gauge),
        cpu_percent=session.cpu_percent,
        memory_bytes=status.memory_bytes if status else None,
        seen_at=session.seen_at,
        here=here,
        can_view=bool(app and app.view),
        job=view(job, explain(job, now)),
    )


def for_guests(view: SessionView) -> SessionView:
    """What those see it is shared with: not what its owner filled in, nor where the owner's files are."""
    theirs = {"mounts": (), "results_volume": "", "folder": "", "target": ""}
    return view.model_copy(update={"values": {}, "job": view.job.model_copy(update=theirs)})


def sentence(job: Job, session: Session, gauge: Gauge, now: datetime) -> str:
    """State, cause and next step."""
    stands = phase(job, session)
    title = job.spec.app.title if job.spec.app else session.app
    if stands is Phase.STARTING:
        where = f" on {job.node}" if job.node else ""
        return f"Starting{where}: waiting for {title} to answer."
    if stands is Phase.STOPPING:
        return "Stopping: the app may save, then it ends."
    if stands is not Phase.OPEN:
        return explain(job, now)
    stop = _idle_stop_at(session, gauge)
    if stop is not None:
        return f"Nobody uses it: it is stopped in {_left(stop, now)} unless somebody does."
    end = ends_at(job, session)
    return f"Ready; {_left(end, now)} left." if end else "Ready."


def extendable_until(job: Job, session: Session) -> datetime | None:
    """Until when its owner may extend it; None when they may not."""
    limit, end = slurm_end(job), session.ends_at
    if limit is None or end is None or phase(job, session) is not Phase.OPEN:
        return None
    return limit if limit - end >= timedelta(minutes=1) else None


def _idle_stop_at(session: Session, gauge: Gauge) -> datetime | None:
    left_s = idle_left_s(session, gauge)
    return session.seen_at and (None if left_s is None else session.seen_at + timedelta(seconds=left_s))


def _left(end: datetime, now: datetime) -> str:
    return duration(max(0, int((end - now).total_seconds())))
