"""A job as its owner sees it, the same in page, API and command line."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import AwareDatetime

from .jobs import Dependency, End, Job, Kind, Mount, Usage
from .model import Model
from .resources import Resources
from .states import JobState
from .thrift import advice, fitting
from .volumes import Mode


class MountView(Model):
    """A volume of a job: `target` is its path inside the image."""

    volume: str
    mode: Mode
    target: str


class JobView(Model):
    """What the API answers for a job.

    Times are ISO 8601 with zone; `folder` is the host path of the job folder.
    """

    id: int
    uuid: str
    version: int
    owner: str
    name: str
    kind: Kind
    domain: str
    image: str
    image_version: str
    image_sha256: str
    state: JobState
    final: bool
    sciserver_code: int
    sentence: str
    """State, cause and next step in one or two sentences (see explain)."""
    reason: str
    expected_start: AwareDatetime | None
    node: str
    slurm_id: int | None
    restarts: int
    tasks: dict[str, int]
    array: str | None
    sweep: tuple[str, ...] = ()
    retry_of: int | None = None
    dependencies: tuple[Dependency, ...]
    cancel_requested: bool
    end: End | None
    usage: Usage | None
    resources: Resources
    fitting: Resources | None = None
    """What to ask for next time, where it asked for much more than it used (see thrift)."""
    thrift: str = ""
    """The same in a sentence, with why."""
    mounts: tuple[MountView, ...]
    results_volume: str
    folder: str
    target: str
    filename: str
    stdout: str
    stderr: str
    accepted_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None


_OF_JOB = (
    "id",
    "uuid",
    "version",
    "owner",
    "name",
    "kind",
    "domain",
    "image",
    "state",
    "reason",
    "expected_start",
    "node",
    "slurm_id",
    "restarts",
    "tasks",
    "cancel_requested",
    "end",
    "usage",
    "accepted_at",
    "started_at",
    "ended_at",
)
_OF_SPEC = (
    "image_version",
    "image_sha256",
    "array",
    "sweep",
    "retry_of",
    "dependencies",
    "resources",
    "results_volume",
    "target",
    "filename",
    "stdout",
    "stderr",
)


def view(job: Job, sentence: str) -> JobView:
    """Return what the owner may see of `job`; `sentence` comes from `explain`."""
    return JobView(
        **{field: getattr(job, field) for field in _OF_JOB},
        **{field: getattr(job.spec, field) for field in _OF_SPEC},
        mounts=mount_views(job.spec.mounts),
        folder=job.spec.path,
        final=job.state.final,
        sciserver_code=job.state.sciserver_code,
        sentence=sentence,
        fitting=fitting(job),
        thrift=advice(job),
    )


def mount_views(mounts: Iterable[Mount]) -> tuple[MountView, ...]:
    """Volumes as people see them: no host path."""
    return tuple(
        MountView(
            volume=mount.volume,
            mode=Mode.READ_WRITE if mount.writable else Mode.READ_ONLY,
            target=mount.target,
        )
        for mount in mounts
    )
