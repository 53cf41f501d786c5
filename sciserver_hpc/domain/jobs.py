"""A job, from what was asked to what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, Field, JsonValue, field_validator, model_validator
from pydantic_core import from_json

from .app_fields import Value
from .apps import App
from .arrays import ArrayIndices
from .compose import ServiceName
from .model import Model
from .names import FileName, JobName, ScriptText, Slug, Username, Uuid
from .resources import Resources
from .states import JobState
from .sweeps import Sweep
from .volumes import VolumeMount


class Kind(StrEnum):
    """What a job runs."""

    SHELL = "shell"
    """A command line, run by bash."""

    SCRIPT = "script"
    """A file with a `#!` line."""

    NOTEBOOK = "notebook"
    """A Jupyter notebook, executed with parameters."""

    SESSION = "session"
    """An app that people work in by browser (domain/sessions.py)."""


PAYLOADS = {
    Kind.SHELL: "command",
    Kind.SCRIPT: "script",
    Kind.NOTEBOOK: "notebook",
    Kind.SESSION: "app",
}
"""The field of a request that says what a job of each kind runs."""


_NOT_OF_SESSIONS = (
    "filename",
    "array",
    "sweep",
    "dependencies",
    "results",
    "workdir",
    "stdout",
    "stderr",
    "warn_s",
)
"""Fields of a request that say nothing to a session, besides other kinds' payloads."""


class DependencyType(StrEnum):
    """When a dependency holds, in sbatch's words."""

    AFTEROK = "afterok"
    AFTERNOTOK = "afternotok"
    AFTERANY = "afterany"


class Dependency(Model):
    """Start only once `job` (a job id of ours) ended as `type` says."""

    type: DependencyType = DependencyType.AFTEROK
    job: int = Field(ge=1, le=2**63 - 1)


class JobRequest(Model):
    """What a person asks for: names, never paths.

    The one door for form, REST and command line.
    """

    name: JobName = "job"
    domain: Slug | None = None
    """None: the first batch domain the asker may use."""

    image: Slug | None = None
    """None: the first image of the domain the asker may use."""

    kind: Kind
    command: ScriptText | None = None
    """Of a shell job."""

    script: ScriptText | None = None
    """Of a script job: the file's text, starting with `#!`."""

    notebook: str | None = Field(default=None, max_length=8_000_000)
    """Of a notebook job: the text of the .ipynb file (nbformat 4)."""

    app: Slug | None = None
    """Of a session: what runs."""

    values: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    """Of a session: what its app's form says, by field."""

    filename: FileName | None = None
    """What the script or notebook is called in the job folder."""

    arguments: tuple[ScriptText, ...] = Field(default=(), max_length=1000)
    """Command-line arguments of a script job."""

    parameters: dict[str, JsonValue] = Field(default_factory=dict, max_length=1000)
    """Papermill parameters of a notebook job."""

    volumes: tuple[VolumeMount, ...] = Field(default=(), max_length=100)
    resources: Resources | None = None
    """None: the domain's defaults."""

    array: ArrayIndices | None = None
    """Array indices in sbatch's form: `0-9`, `1,3,5`, `0-99%10`."""

    sweep: Sweep | None = None
    """What varies from task to task of an array; it says the array's indices itself."""

    dependencies: tuple[Dependency, ...] = Field(default=(), max_length=100)
    results: VolumeMount | None = None
    """The user volume that receives the job folder.

    None: `Temporary/<owner>/jobs` (created on need).
    """

    workdir: str | None = Field(default=None, max_length=1000)
    """Working directory: a path inside the image, under a mounted volume.

    None: the job folder.
    """

    stdout: FileName = "stdout.txt"
    stderr: FileName = "stderr.txt"
    warn_s: int | None = Field(default=None, ge=1, le=65535)
    """So many seconds before its time limit, or up to a minute sooner, the job gets SIGUSR1; None: never."""

    @property
    def indices(self) -> str | None:
        """The indices of the array it becomes; None for a single job."""
        return self.array if self.sweep is None else self.sweep.array

    @field_validator("parameters")
    @classmethod
    def _identifiers(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        bad = [name for name in value if not name.isidentifier()]
        if bad:
            raise ValueError(f"{bad[0][:50]!r} is not a variable name")
        text = json.dumps(value)
        if len(text) > 100_000:
            raise ValueError("parameters are larger than 100 kB; put the data in a volume")
        try:
            from_json(f'{{"parameters":{text}}}')  # as submitting reads it
        except ValueError as error:
            raise ValueError("parameters nest too deep; flatten them, or put the data in a volume") from error
        return value

    @field_validator("notebook")
    @classmethod
    def _is_notebook(cls, value: str | None) -> str | None:
        if value is not None:
            check_notebook(value)
        return value

    @model_validator(mode="after")
    def _one_payload(self) -> JobRequest:
        for kind, field in PAYLOADS.items():
            present = getattr(self, field) is not None
            if present != (kind is self.kind):
                verb = "needs" if kind is self.kind else "takes no"
                raise ValueError(f"a {self.kind} job {verb} `{field}`")
        if self.parameters and self.kind is not Kind.NOTEBOOK:
            raise ValueError("parameters are for notebook jobs; give a script `arguments`")
        if self.arguments and self.kind is not Kind.SCRIPT:
            raise ValueError("arguments are for script jobs")
        if self.array is not None and self.sweep is not None:
            raise ValueError("a sweep is an array by itself: give `sweep` or `array`")
        if self.values and self.kind is not Kind.SESSION:
            raise ValueError("values are for sessions")
        if self.kind is Kind.SESSION:
            self._check_session()
        if self.script is not None and not self.script.startswith("#!"):
            raise ValueError("the script's first line must name its interpreter, as in `#!/bin/bash`")
        if self.stdout == self.stderr:
            raise ValueError("stdout and stderr need different file names")
        return self

    def _check_session(self) -> None:
        for name in _NOT_OF_SESSIONS:
            if getattr(self, name) != type(self).model_fields[name].get_default():
                raise ValueError(f"a session takes no `{name}`")


def check_notebook(text: str) -> dict[str, Any]:
    """Return the parsed notebook.

    Raises ValueError when `text` is no nbformat-4 document (nbformat.readthedocs.io).
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("this is not a notebook: not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise ValueError("this is not a notebook: no list of cells")
    if document.get("nbformat") != 4:
        raise ValueError("only notebooks of format 4 can run; open and save it in a current Jupyter")
    return document


class Mount(Model):
    """A resolved volume: host path `source` appears at `target` inside the image."""

    volume: str
    source: str
    target: str
    writable: bool


class ServiceImage(Model):
    """The image of a service beside an app, as it was when the session was asked for."""

    service: ServiceName
    image: Slug
    version: str
    path: str
    sha256: str
    size: int
    mtime_ns: int


class JobSpec(Model):
    """A request with every name resolved: all that is needed to render, run and record it."""

    uuid: Uuid
    name: JobName
    owner: Username
    uid: int
    gid: int
    domain: Slug
    cluster: Slug
    partition: Slug
    account: Slug | None
    qos: Slug | None
    image: Slug
    image_version: str
    image_path: str
    image_sha256: str
    image_size: int
    image_mtime_ns: int
    kind: Kind
    kernel: str | None = None
    """Kernel of a notebook job; None lets the notebook choose."""

    filename: FileName
    """Name of the payload in the job folder: command.txt, script or notebook."""

    arguments: tuple[str, ...] = ()
    app: App | None = None
    """Of a session: the app as it was when the session was asked for."""

    values: dict[str, Value] = Field(default_factory=dict)
    """Of a session: what its form says, checked, with defaults."""

    services: tuple[ServiceImage, ...] = ()
    """Of a session: the images of its app's services, in their order."""

    deadline_s: int | None = None
    """Of a session: so long after its start the portal ends it, unless it is extended."""

    mounts: tuple[Mount, ...] = ()
    resources: Resources
    array: str | None = None
    sweep: tuple[str, ...] = ()
    """Of a sweep: the names of what varies from task to task."""

    retry_of: int | None = None
    """The job whose failed tasks it runs again."""

    dependencies: tuple[Dependency, ...] = ()
    results_root: str
    """Host path of the volume that receives the job folder; trusted, made by us."""

    folder: str
    """The job folder relative to `results_root`: `<date>/<datetime>-<job id>`."""

    results_target: str
    """Where `results_root` appears inside the image."""

    results_volume: str
    """Address of that volume, `<root>/<owner>/<name>`."""

    workdir: str | None = None
    stdout: FileName = "stdout.txt"
    stderr: FileName = "stderr.txt"
    warn_s: int | None = None

    @property
    def images(self) -> tuple[str, ...]:
        """Names of all images it runs, its own first."""
        return tuple(dict.fromkeys([self.image, *(one.image for one in self.services)]))

    @property
    def path(self) -> str:
        """The job folder's host path."""
        return f"{self.results_root}/{self.folder}"

    @property
    def target(self) -> str:
        """The job folder's path inside the image."""
        return f"{self.results_target}/{self.folder}"


class End(Model):
    """Why and how a job ended.

    `summary` is a sentence, `advice` says what to do next.
    """

    exit_code: int | None = None
    signal: int | None = None
    summary: str = ""
    advice: str = ""
    by: str | None = None
    """Who cancelled it."""


class Usage(Model):
    """What a job used, from accounting or its own end record.

    Bytes and seconds; None where nothing was measured.
    """

    elapsed_s: int | None = None
    cpu_s: float | None = None
    max_rss: int | None = None


class Job(Model):
    """One asynchronous unit: one row, one Slurm job.

    `version` grows by one with every change.
    """

    id: int
    uuid: Uuid
    version: int
    owner: Username
    uid: int
    name: JobName
    domain: Slug
    image: Slug
    kind: Kind
    state: JobState
    restarts: int = 0
    slurm_id: int | None = None
    claimed_by: int | None = None
    """The Slurm id that claimed the start first (set by `Store.claim`): the true copy if there are two."""
    cluster: Slug
    spec: JobSpec
    reason: str = ""
    """Slurm's reason while pending, in Slurm's word."""

    expected_start: AwareDatetime | None = None
    node: str = ""
    cancel_requested: bool = False
    cancel_by: str | None = None
    tasks: dict[str, int] = Field(default_factory=dict)
    """Of an array: how many tasks stand in which state."""

    end: End | None = None
    usage: Usage | None = None
    accepted_at: AwareDatetime
    submitted_at: AwareDatetime | None = None
    """When the last attempt to submit began."""

    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    not_before: AwareDatetime | None = None
    """The broker leaves the job alone until then (quiet period after a doubt, back-off)."""
    attempts: int = 0
    """Submissions tried."""

    changed_at: AwareDatetime


@dataclass(frozen=True)
class NewJob:
    """A job to be recorded, with what its row holds beside it."""

    job: Job
    claim_digest: str
    request: str
    """The whole JobRequest as JSON."""

    key: str | None
    """The owner's idempotency key."""

    fingerprint: str
    """What the request is recognised by when its key comes again."""

    events: tuple[tuple[int, JobEvent], ...] = ()
    """What is told with it, by job id: in its own history, or in that of a job it follows."""


class EventKind(StrEnum):
    """What an event tells."""

    STATE = "state"
    CANCEL = "cancel"
    CLAIM = "claim"
    NOTE = "note"


class JobEvent(Model):
    """One line of a job's history.

    `state` is the state after it.
    """

    at: AwareDatetime
    kind: EventKind
    state: JobState
    text: str
