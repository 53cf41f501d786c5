"""What goes in and out of the API, beside the domain's own models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, SkipValidation

from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.arrays import MAX_INDEX
from sciserver_hpc.domain.catalogue import ComputeDomain
from sciserver_hpc.domain.files import FileEntry
from sciserver_hpc.domain.jobs import JobEvent, JobRequest
from sciserver_hpc.domain.limits import Allowance
from sciserver_hpc.domain.listing import LONGEST_LOOK, LOOK
from sciserver_hpc.domain.model import Model
from sciserver_hpc.domain.names import JobName, Slug, Uuid
from sciserver_hpc.domain.result_table import ResultRow
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tasks import Task
from sciserver_hpc.domain.tokens import Scope, TokenKind
from sciserver_hpc.domain.views import JobView, MountView
from sciserver_hpc.services.arrays import LONGEST_PAGE as MOST_TASKS
from sciserver_hpc.services.jobs import LONGEST_PAGE
from sciserver_hpc.services.tables import LONGEST_PAGE as MOST_ROWS

MAX_INT = 2**63 - 1
MAX_LOG = 1_000_000
MAX_JOBS = 100
"""Jobs of one request: few enough that others do not wait long for the database behind it."""


def _split(value: Any) -> Any:
    return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value


class LoginRequest(Model):
    """User name and password as the directory knows them."""

    username: str = Field(max_length=256)
    password: SecretStr = Field(max_length=1024)


class UserAnswer(Model):
    """A person as they may know themselves."""

    username: str
    full_name: str
    email: str
    groups: tuple[str, ...]
    admin: bool
    powers: tuple[Power, ...] = ()


class LoginAnswer(Model):
    """`token` is the bearer token; it is shown once."""

    token: str
    expires_at: AwareDatetime
    user: UserAnswer


class MeAnswer(Model):
    """Who the token speaks for."""

    user: UserAnswer


class TokenRequest(Model):
    """A personal token: what it is for, what it may do, for how many days."""

    name: JobName
    scopes: tuple[Scope, ...] = Field(min_length=1, max_length=len(Scope))
    days: int = Field(default=30, ge=1, le=365)


class TokenAnswer(Model):
    """A token without its secret."""

    id: int
    kind: TokenKind
    name: str
    scopes: tuple[Scope, ...]
    created_at: AwareDatetime
    expires_at: AwareDatetime
    last_used_at: AwareDatetime | None


class NewTokenAnswer(Model):
    """`secret` is shown this once."""

    secret: str
    token: TokenAnswer


class TokensAnswer(Model):
    """Live tokens, newest first."""

    tokens: tuple[TokenAnswer, ...]


class ImageAnswer(Model):
    """An image as users see it: no path."""

    name: str
    version: str
    sha256: str
    title: str
    description: str
    kernels: tuple[str, ...]
    apps: tuple[str, ...]


class DomainAnswer(ComputeDomain):
    """A compute domain with the images the asker may use there.

    allowances: how much the asker may have at once and has now, there (`domain`) and over all domains (null).
    """

    images: tuple[ImageAnswer, ...] = ()  # type: ignore[assignment]
    allowances: tuple[Allowance, ...] = ()


class DomainsAnswer(Model):
    """Domains the asker may use."""

    domains: tuple[DomainAnswer, ...]


class ImagesAnswer(Model):
    """Images the asker may use."""

    images: tuple[ImageAnswer, ...]


class VolumeAnswer(Model):
    """A volume the asker may mount. `kind`: user_volume or data_volume."""

    volume: str
    kind: str
    modes: tuple[str, ...]
    description: str


class VolumesAnswer(Model):
    """Volumes the asker may mount."""

    volumes: tuple[VolumeAnswer, ...]


class SubmitQuery(Model):
    """`test_only`: ask the scheduler, submit nothing. `preview`: show what it would get."""

    test_only: bool = False
    preview: bool = False


class JobsQuery(Model):
    """Which jobs: states by comma, a part of the name, accepted between two times, before a job id.

    look: how many jobs to look through where more than states is asked for.
    """

    state: Annotated[tuple[JobState, ...], BeforeValidator(_split)] = ()
    domain: Slug | None = None
    name: str | None = Field(default=None, max_length=128)
    after: AwareDatetime | None = None
    before: AwareDatetime | None = None
    before_id: int | None = Field(default=None, ge=1, le=MAX_INT)
    limit: int = Field(default=50, ge=1, le=LONGEST_PAGE)
    look: int = Field(default=LOOK, ge=1, le=LONGEST_LOOK)


class JobAnswer(Model):
    """One job."""

    job: JobView


class ManyRequest(Model):
    """Jobs, each to be judged for itself."""

    jobs: tuple[SkipValidation[JobRequest], ...] = Field(min_length=1, max_length=MAX_JOBS)
    """As they came: each is read apart, so that one that is wrong does not refuse the others."""


class AcceptedAnswer(Model):
    """`new`: false for a job that the same request made before."""

    job: JobView
    new: bool


class JobsAnswer(Model):
    """A page of jobs, newest first; `next`: the `before_id` of the page after, null at the end."""

    jobs: tuple[JobView, ...]
    next: int | None


class MessageAnswer(Model):
    """The scheduler's own words."""

    message: str


class PreviewAnswer(Model):
    """What Slurm would get."""

    options: tuple[str, ...]
    script: str
    mounts: tuple[MountView, ...]
    domain: str
    image: str


class ScriptAnswer(Model):
    """What Slurm got."""

    options: tuple[str, ...]
    script: str


class EventsAnswer(Model):
    """A job's history, oldest first."""

    events: tuple[JobEvent, ...]


class TasksQuery(Model):
    """Which tasks: states by comma, after an index."""

    state: Annotated[tuple[JobState, ...], BeforeValidator(_split)] = ()
    after: int | None = Field(default=None, ge=0, le=MAX_INDEX)
    limit: int = Field(default=100, ge=1, le=MOST_TASKS)


class TasksAnswer(Model):
    """Tasks by index; `next`: the `after` of the page after, null at the end. `counts`: of all, by state."""

    tasks: tuple[Task, ...]
    next: int | None
    counts: dict[JobState, int]


class RetryRequest(Model):
    """`cancelled`: run what was cancelled again too."""

    cancelled: bool = False


class TableQuery(Model):
    """Which rows: after a task."""

    after: int | None = Field(default=None, ge=0, le=MAX_INDEX)
    limit: int = Field(default=MOST_ROWS, ge=1, le=MOST_ROWS)


class TableAnswer(Model):
    """Rows by task; `next`: the `after` of the page after, null at the end."""

    rows: tuple[ResultRow, ...]
    next: int | None


class LogQuery(Model):
    """`offset`: byte to start at; negative counts from the end. `task`: of an array; left out, its first."""

    stream: Literal["stdout", "stderr"] = "stdout"
    offset: int = Field(default=0, ge=-MAX_INT, le=MAX_INT)
    length: int = Field(default=65536, ge=1, le=MAX_LOG)
    task: int | None = Field(default=None, ge=0, le=MAX_INDEX)


class LogAnswer(Model):
    """A piece of a log. `next`: where to go on; `final`: nothing more will come."""

    text: str
    offset: int
    next: int
    size: int
    final: bool


class PathQuery(Model):
    """A path relative to the job folder."""

    path: str = Field(default="", max_length=4096)


class FilesAnswer(Model):
    """Entries of a folder."""

    path: str
    entries: tuple[FileEntry, ...]


class ClaimRequest(BaseModel):
    """A job's copy asks on its node whether it is the one to run. From a shell script: unknown fields are let
    pass, `task` may be empty."""

    model_config = ConfigDict(frozen=True)

    uuid: Uuid
    slurm_id: int = Field(ge=0, le=MAX_INT)
    restarts: int = Field(default=0, ge=0, le=MAX_INT)
    task: Annotated[int | None, BeforeValidator(lambda value: None if value == "" else value)] = Field(
        default=None, ge=0, le=MAX_INT
    )
    node: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,255}\z")
    """As Slurm calls it."""


class ErrorBody(Model):
    """What went wrong, in a sentence; `problems` by field, `items` by thing refused."""

    code: str
    message: str
    problems: dict[str, str] | None = Field(default=None, exclude_if=lambda value: value is None)
    items: dict[str, str] | None = Field(default=None, exclude_if=lambda value: value is None)
    request_id: str


class ErrorAnswer(Model):
    """Every error of the API has this form."""

    error: ErrorBody


class ManyAnswer(Model):
    """For each job of the request, in its order, what became of it."""

    jobs: tuple[AcceptedAnswer | ErrorAnswer, ...]
