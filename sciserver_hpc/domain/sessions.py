"""Interactive sessions: what a job of kind `session` has beyond a job, who may come in, when it is stopped.

See docs/decisions/0014-sessions.md.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from .gates import GateStatus, SessionRecord
from .jobs import Job, JobRequest, Kind
from .model import Model
from .names import JobName, Slug, Username, Uuid
from .resources import Resources
from .states import JobState
from .volumes import VolumeMount


class SessionRequest(Model):
    """What a person asks for when they start a session: an app, what its form says, and where it runs."""

    app: Slug
    values: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    """By name of the app's form field."""

    name: JobName | None = None
    """None: the app's title."""

    domain: Slug | None = None
    image: Slug | None = None
    volumes: tuple[VolumeMount, ...] = Field(default=(), max_length=100)
    resources: Resources | None = None

    def as_job(self) -> JobRequest:
        """The same as the request of a job."""
        asked = {name: getattr(self, name) for name in self.model_fields_set if name != "name"}
        return JobRequest(kind=Kind.SESSION, name=self.name or self.app, **asked)


def as_session(request: JobRequest) -> SessionRequest:
    """The request of a session that became the job `request`: what `SessionRequest.as_job` made of it.

    What a session has no field for is not set (JobRequest sees to it).
    """
    known = request.model_fields_set & SessionRequest.model_fields.keys()
    return SessionRequest(**{name: getattr(request, name) for name in known})


class SessionMode(StrEnum):
    """How one is in a session."""

    USE = "use"
    """Works in it, as its owner would."""

    VIEW = "view"
    """Sees it: the app's server takes nothing from such a one."""


class StopCause(StrEnum):
    """Why the portal ends a session."""

    STOPPED = "stopped"
    """Somebody asked for it."""

    IDLE = "idle"
    TIME = "time"


class Session(Model):
    """A job's row of its own as a session. `version` grows with every change."""

    job_id: int
    version: int = 1
    uuid: Uuid
    owner: Username
    app: Slug
    knocked: bool = False
    """Its gate said that it is ready; it was not looked at since."""

    address: str = ""
    """`ip:port` of its gate, once that was reached and showed the session's certificate."""

    ready_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    """When the portal stops it; None leaves that to Slurm."""

    status: GateStatus | None = None
    seen_at: AwareDatetime | None = None
    """When `status` was told."""

    cpu_percent: float | None = None
    """Of one core, between the last two statuses."""

    idle_warned_at: AwareDatetime | None = None
    idle_warned_s: float | None = None
    """How long nobody had used it then, by the gate's clock: ours may jump."""

    time_warned_at: AwareDatetime | None = None
    stop: StopCause | None = None
    stop_at: AwareDatetime | None = None
    """When that was decided."""

    told_at: AwareDatetime | None = None
    """When the gate was told to stop last."""

    closed: bool = False
    """Its end was told, and its passes are over."""

    forgotten: bool = False
    """Its owner took the card away."""


class Pass(Model):
    """One person's way into one session: a ticket until `used_at`, then what a browser's cookie stands for.

    login: id of the login token it lives by.
    """

    id: int
    job_id: int
    username: Username
    login: int
    mode: SessionMode
    created_at: AwareDatetime
    expires_at: AwareDatetime
    """Of the ticket."""

    used_at: AwareDatetime | None = None


class Gauge(Model):
    """When a site stops sessions that nobody uses, in seconds."""

    idle_s: int = Field(default=7200, ge=60)
    grace_s: int = Field(default=600, ge=30)
    """Between the warning and the stop."""

    time_warning_s: int = Field(default=900, ge=60)
    """So long before the end its owner is told."""

    @model_validator(mode="after")
    def _ordered(self) -> Gauge:
        if self.grace_s >= self.idle_s:
            raise ValueError("grace_s must be less than idle_s")
        return self


def is_of(told: SessionRecord | GateStatus, job: Job) -> bool:
    """By the gate of the run there is? One of an earlier run may live, and its record lie in the folder."""
    mine = job.claimed_by or job.slurm_id
    return (told.uuid, told.slurm_id, told.restarts) == (job.uuid, mine, job.restarts)


def is_reached(job: Job, session: Session) -> bool:
    """Is the gate of its run known? A job that is requeued, or thought lost and back, is looked for anew."""
    known = bool(session.address) and not session.closed
    return known and session.status is not None and is_of(session.status, job)


def is_open(job: Job, session: Session) -> bool:
    """May anybody be let in now?"""
    return job.state is JobState.RUNNING and is_reached(job, session) and session.stop is None


def ends_at(job: Job, session: Session) -> datetime | None:
    """When it ends at the latest, as far as known: the portal's deadline or Slurm's."""
    limit = slurm_end(job)
    told = [moment for moment in (session.ends_at, limit) if moment is not None]
    return min(told, default=None)


def slurm_end(job: Job) -> datetime | None:
    """When Slurm's time limit is over; None before the start. Slurm counts whole minutes (sbatch -t)."""
    if job.started_at is None:
        return None
    minutes = -(-job.spec.resources.time_limit_s // 60)
    return job.started_at + timedelta(minutes=minutes)
