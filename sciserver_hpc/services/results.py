"""What a job left in its folder, read by its owner's agent as its owner.

Whom the owner granted reading has no Unix right on the folder, and needs none: the owner's agent reads for
them as well, below this one job folder and along no link, each time after the decision in `Jobs.get`. So a
grant opens nothing but the folder, and taking it back ends a download at its next piece.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from ..domain.arrays import first_task, has_task
from ..domain.errors import AgentError, NotFound
from ..domain.files import FileEntry
from ..domain.jobs import Job, JobSpec
from ..domain.people import Person
from ..domain.scheduling import Owner
from ..ports import Agent, Agents
from .jobs import Jobs

MAX_LENGTH = 4 * 2**20
"""Most bytes of one answer, the agent's own limit."""

MAX_ENTRIES = 10_000

CLAIM_HEADER = ".sciserver/claim.header"
"""By which a job proves itself at its start: a token that may read files must not get to act as the job."""

R = TypeVar("R")


@dataclass(frozen=True)
class LogChunk:
    """A piece of a log. `offset`: where it begins; `next`: where to go on; `size`: the file's. In bytes."""

    data: bytes
    offset: int
    next: int
    size: int


class Results:
    """Reads below the job folder. `path` is relative to it and hostile; the agent follows no link."""

    def __init__(self, jobs: Jobs, agents: Agents) -> None:
        self._jobs = jobs
        self._agents = agents

    def log(
        self,
        person: Person,
        job_id: int,
        stream: Literal["stdout", "stderr"],
        offset: int = 0,
        length: int = 65536,
        task: int | None = None,
    ) -> LogChunk:
        """A piece of a log; `offset` may be negative, from the end. `task`: of an array, else its first one.

        A job that has written nothing yet has an empty log. Raises NotFound (also for a task the job does not
        have), AgentError, Unavailable.
        """
        job = self._jobs.get(person, job_id)
        if task is not None and not (job.spec.array and has_task(job.spec.array, task)):
            has = f"its tasks are {job.spec.array}" if job.spec.array else "it is no array"
            raise NotFound(f"Job {job.id} has no task {task}: {has}.")
        name = log_name(job.spec, stream, task)
        try:
            data, size = self._agent(job).read(
                job.spec.results_root, f"{job.spec.folder}/{name}", offset, _capped(length)
            )
        except AgentError as error:
            if error.reason != "not_found":
                raise
            if not job.state.final:
                return LogChunk(b"", 0, 0, 0)
            raise NotFound(
                f"Job {job.id} has no {name}: it never started, or the file was deleted."
            ) from error
        start = min(offset, size) if offset >= 0 else max(size + offset, 0)
        return LogChunk(data, start, start + len(data), size)

    def listing(self, person: Person, job_id: int, path: str = "") -> list[FileEntry]:
        """The entries of a directory below the job folder. Raises NotFound, AgentError, Unavailable."""
        return self._ask(person, job_id, path, lambda agent, root, at: agent.listing(root, at, MAX_ENTRIES))

    def stat(self, person: Person, job_id: int, path: str) -> FileEntry:
        """One entry. Raises NotFound, AgentError, Unavailable."""
        return self._ask(person, job_id, path, lambda agent, root, at: agent.stat(root, at))

    def read(
        self, person: Person, job_id: int, path: str, offset: int = 0, length: int = MAX_LENGTH
    ) -> tuple[bytes, int]:
        """Bytes from `offset` and the file's size. Raises NotFound, AgentError, Unavailable."""
        return self._ask(
            person, job_id, path, lambda agent, root, at: agent.read(root, at, offset, _capped(length))
        )

    def _ask(self, person: Person, job_id: int, path: str, question: Callable[[Agent, str, str], R]) -> R:
        """Ask the owner's agent about `path` in the folder of a job that the person may read."""
        job = self._jobs.get(person, job_id)
        place = f"{job.spec.folder}/{_below(path)}".rstrip("/")
        try:
            return question(self._agent(job), job.spec.results_root, place)
        except AgentError as error:
            if error.reason != "not_found":
                raise
            raise NotFound(_missing(job, path)) from error

    def _agent(self, job: Job) -> Agent:
        return self._agents.of(Owner(username=job.owner, uid=job.uid, gid=job.spec.gid))


def _below(path: str) -> str:
    """`path` where it stays below the folder. The agent checks again, by descriptor; this one answers sooner.

    Raises NotFound for any that would leave it: what lies outside is not part of the job's results.
    """
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or "\0" in path or len(path) > 4096:
        raise NotFound("There is no such file in the job folder.")
    below = "" if path in {"", "."} else posixpath.normpath(path)
    if below == CLAIM_HEADER:
        raise NotFound("There is no such file in the job folder.")
    return below


def _missing(job: Job, path: str) -> str:
    if job.submitted_at is None and not job.state.final:
        return f"Job {job.id} has not started yet; its folder appears when it is submitted."
    if path in {"", "."}:
        return (
            f"The folder of job {job.id} is not there: it never started, or the folder was deleted or purged."
        )
    return f"There is no {path[:200]!r} in the folder of job {job.id}."


def log_name(spec: JobSpec, stream: str, task: int | None = None) -> str:
    """The log's file: `stdout.txt`, of an array's task (None: the first) `stdout.<task>.txt`."""
    name = spec.stdout if stream == "stdout" else spec.stderr
    if spec.array is None:
        return name
    stem, suffix = posixpath.splitext(name)
    return f"{stem}.{first_task(spec.array) if task is None else task}{suffix}"


def _capped(length: int) -> int:
    return max(1, min(length, MAX_LENGTH))
