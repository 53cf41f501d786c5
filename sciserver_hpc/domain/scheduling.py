"""What brokers and scheduler adapters tell each other."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field

from .jobs import Usage
from .model import Model
from .names import Username, Uuid, slurm_safe
from .states import JobState
from .tasks import Task


class Payload(Model):
    """A file of the job folder.

    `mode`: permission bits.
    """

    path: str
    """Relative to the job folder; the agent makes missing directories 0700."""
    text: str
    mode: int = 0o600


class Submission(Model):
    """A rendered job: what the user's agent writes and hands to the scheduler."""

    uuid: Uuid
    mark: str
    """The job's name in Slurm (see `mark`)."""

    root: str
    """Host path under which `folder` is made; never created, never followed through links below."""

    folder: str
    files: tuple[Payload, ...]
    options: tuple[str, ...]
    """Sbatch arguments, each `--name=value`; paths absolute."""
    script: str
    """The wrapper, handed to sbatch on standard input."""


class Verdict(StrEnum):
    """What became of a submission.

    UNKNOWN: it may have been queued; look it up before trying again.
    """

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_TRIED = "not_tried"
    """Certainly not queued, for a passing reason (agent not started, scheduler known down): try again
    later."""


class SubmitOutcome(Model):
    """`slurm_id` when accepted; `message` holds the scheduler's own words otherwise."""

    uuid: Uuid
    verdict: Verdict
    slurm_id: int | None = None
    message: str = ""


class Sighting(Model):
    """A job as the scheduler shows it now.

    `state` is in our words; `None`: seen, but in a state we cannot read.
    """

    slurm_id: int
    uuid: Uuid | None
    """From the job's name; a user may forge it, so it counts only together with `uid`."""

    uid: int
    state: JobState | None
    live: bool = True
    """Does the controller show it? Else accounting alone, which may show what the controller forgot."""

    restarts: int = 0
    reason: str = ""
    node: str = ""
    expected_start: AwareDatetime | None = None
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    exit_code: int | None = None
    signal: int | None = None
    cancelled_by: int | None = None
    """Uid of who cancelled it."""

    usage: Usage | None = None
    tasks: dict[str, int] = Field(default_factory=dict)
    """Of an array: JobState value → number of tasks."""

    known: tuple[Task, ...] = ()
    """Of an array: the tasks that are seen one by one, in no order; those that never began are not."""


class Observation(Model):
    """One look at the whole cluster: live jobs and recent endings, at most one Sighting per slurm_id.

    `live_complete`/`ended_complete`: that half of the look succeeded; absence means something only then.
    `problem`/`ended_problem`: why it did not, in a sentence; empty also where it was not asked for.
    """

    at: AwareDatetime
    sightings: tuple[Sighting, ...]
    live_complete: bool
    ended_complete: bool
    problem: str = ""
    ended_problem: str = ""


class EndRecord(Model):
    """What the wrapper wrote as its last act.

    Hostile input: the job's owner can forge it.
    """

    exit_code: int = Field(ge=0, le=255)
    slurm_id: int = Field(ge=0)
    restarts: int = Field(default=0, ge=0)
    cause: str = Field(default="", max_length=64)
    """Set when the wrapper itself stopped the job: image_changed, refused, no_space, container, ..."""

    message: str = Field(default="", max_length=1000)


class Owner(Model):
    """As whom an agent acts."""

    username: Username
    uid: int
    gid: int


def mark(name: str, uuid: str) -> str:
    """A job's name in Slurm: what the user called it, made safe, and the UUID.

    Seen by squeue and sacct from the start.
    """
    return f"{slurm_safe(name)}.{uuid}"


def uuid_of(mark_text: str) -> str | None:
    """The UUID in a job's Slurm name, or None when it is none of ours."""
    _, _, tail = mark_text.rpartition(".")
    return tail if len(tail) == 32 and all(c in "0123456789abcdef" for c in tail) else None
