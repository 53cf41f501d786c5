"""The port `Agent` over a connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from ..agent import protocol
from ..domain.acl import Inode
from ..domain.acl_walk import AclSlice
from ..domain.errors import Refused, SciServerError, Unavailable
from ..domain.files import FileEntry, FileKind
from ..domain.gates import SessionRecord
from ..domain.jobs import Usage
from ..domain.model import Model
from ..domain.projection import Projection
from ..domain.scheduling import (
    EndRecord,
    Owner,
    Sighting,
    Submission,
    SubmitOutcome,
    Verdict,
    uuid_of,
)
from ..domain.states import JobState
from ..domain.tasks import Task
from .connection import Lost, NotSent

log = structlog.get_logger(__name__)

FILES_S = 20.0
"""For a call about files: a filesystem that hangs longer is told as such."""

LOCAL_SUBMIT_S = 60.0
"""For handing local jobs over."""

_MESSAGE_MAX = 2000
_FOLDERS_A_CALL = 64
_YEAR_9999 = 253_402_300_000.0

T = TypeVar("T")
Call = Callable[[dict[str, object], float, bool], tuple[object, bytes]]
"""(request, timeout in seconds, may it be sent twice) → value and body; raises NotSent, Lost."""


class _Entry(Model):
    name: str
    kind: FileKind
    size: int
    modified: FiniteFloat
    mode: int

    def entry(self) -> FileEntry:
        """Times beyond what a datetime holds (users may set any) become the nearest it does."""
        seconds = min(max(self.modified, 0.0), _YEAR_9999)
        modified_at = datetime.fromtimestamp(seconds, UTC)
        return FileEntry(
            name=self.name, kind=self.kind, size=self.size, modified_at=modified_at, mode=self.mode
        )


class _LocalJob(Model):
    slurm_id: int
    mark: str
    state: JobState
    reason: str
    started: FiniteFloat | None
    ended: FiniteFloat | None
    exit_code: int | None
    signal: int | None
    cpu_s: FiniteFloat | None
    tasks: dict[str, int]
    each: list[tuple[int, JobState, int | None, int | None, FiniteFloat, FiniteFloat, FiniteFloat]]
    """Of an array: index, state, exit code, signal, begin, end and CPU seconds of each task."""

    def sighting(self, uid: int) -> Sighting:
        """As an observation holds it."""
        elapsed = int(self.ended - self.started) if self.ended and self.started else None
        return Sighting(
            slurm_id=self.slurm_id,
            uuid=uuid_of(self.mark),
            uid=uid,
            state=self.state,
            reason=self.reason,
            started_at=_time(self.started),
            ended_at=_time(self.ended),
            exit_code=self.exit_code,
            signal=self.signal,
            cancelled_by=uid if self.state is JobState.CANCELLED else None,
            usage=Usage(elapsed_s=elapsed, cpu_s=self.cpu_s) if elapsed is not None else None,
            tasks=self.tasks,
            known=tuple(_task(*one) for one in self.each),
        )


def _task(
    index: int,
    state: JobState,
    exit_code: int | None,
    signal: int | None,
    begun: float,
    ended: float,
    cpu_s: float,
) -> Task:
    """As a sighting holds it; one that was cancelled before it began was not begun."""
    began = not (state is JobState.CANCELLED and exit_code is None)
    return Task(
        index=index,
        state=state,
        node="localhost" if began else "",
        started_at=_time(begun) if began else None,
        ended_at=_time(ended),
        exit_code=exit_code,
        signal=signal,
        elapsed_s=int(ended - begun) if began else None,
        cpu_s=cpu_s if began else None,
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(min(max(seconds, 0.0), _YEAR_9999), UTC)


_OUTCOMES = TypeAdapter(list[SubmitOutcome])
_ENTRIES = TypeAdapter(list[_Entry])
_LOCAL_JOBS = TypeAdapter(list[_LocalJob])
_TEXTS_OF_EACH = TypeAdapter(list[list[str]])
_TEXTS = TypeAdapter(list[str])
_RESULTS = TypeAdapter(list[tuple[str, str]])
_SIZE = TypeAdapter(int)
_GID: TypeAdapter[int | None] = TypeAdapter(int | None)
_INODE = TypeAdapter(Inode)
_SLICE = TypeAdapter(AclSlice)


class SocketAgent:
    """The agent of one user; cheap to make, safe for several threads."""

    def __init__(self, owner: Owner, call: Call, slurm_s: float) -> None:
        self._owner = owner
        self._call = call
        self._slurm_s = slurm_s

    def submit(self, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        """One outcome each; a call that broke after it was sent leaves them UNKNOWN."""
        return self._submit("submit", jobs, submit_limit_s(self._slurm_s))

    def test_only(self, job: Submission) -> str:
        """Slurm's words."""
        arguments = {"options": list(job.options), "script": job.script}
        return str(self._ask("test_only", self._slurm_s + 10, **arguments))

    def door(self) -> str:
        """Why slurmrestd is not used where it should."""
        return str(self._ask("door", self._slurm_s + 10))

    def cancel(self, slurm_ids: Sequence[int]) -> None:
        """scancel."""
        if slurm_ids:
            self._ask("cancel", 2 * self._slurm_s + 10, slurm_ids=list(slurm_ids))

    def end_records(self, folders: Sequence[tuple[str, str]]) -> list[tuple[EndRecord, ...]]:
        """Found end records; what is not one is left out."""
        found = self._of_folders("end_records", _TEXTS_OF_EACH, folders)
        return [tuple(record for record in map(end_record, texts) if record) for texts in found]

    def results(self, root: str, folder: str, names: Sequence[str]) -> list[tuple[str, str]]:
        """What tasks wrote, or why it cannot be read."""
        value = self._ask("results", FILES_S, root=root, folder=folder, names=list(names))
        return self._read(_RESULTS, value)

    def session_records(self, folders: Sequence[tuple[str, str]]) -> list[SessionRecord | None]:
        """What gates published."""
        texts = self._of_folders("session_records", _TEXTS, folders)
        records = [session_record(text) for text in texts]
        for (_, folder), text, record in zip(folders, texts, records, strict=True):
            if text and record is None:
                log.warning("session record cannot be read", folder=folder)
        return records

    def make_volume(self, root: str, owner: str, name: str) -> None:
        """Make a user volume's directory."""
        self._ask("make_volume", FILES_S, root=root, owner=owner, name=name)

    def listing(self, root: str, path: str, limit: int = 10_000) -> list[FileEntry]:
        """Entries of a directory."""
        value = self._ask("listing", FILES_S, root=root, path=path, limit=limit)
        return [found.entry() for found in self._read(_ENTRIES, value)]

    def stat(self, root: str, path: str) -> FileEntry:
        """One entry."""
        value = self._ask("stat", FILES_S, root=root, path=path)
        return self._read(_ENTRIES, [value])[0].entry()

    def read(self, root: str, path: str, offset: int = 0, length: int = 1_000_000) -> tuple[bytes, int]:
        """Bytes of a file and its size."""
        request = {"verb": "read", "root": root, "path": path, "offset": offset, "length": length}
        value, body = self._exchange(request, FILES_S)
        return body[: max(0, length)], self._read(_SIZE, value)

    def acl_show(self, root: str, path: str) -> Inode:
        """The ACLs of a file or directory."""
        return self._read(_INODE, self._ask("acl_show", FILES_S, root=root, path=path))

    def acl_apply(
        self,
        root: str,
        path: str,
        projection: Projection,
        cursor: str = "",
        limit: int = 10_000,
        milliseconds: int = 1_000,
    ) -> AclSlice:
        """A slice of a walk that applies."""
        return self._walk("acl_apply", root, path, projection, cursor, limit, milliseconds)

    def acl_verify(
        self,
        root: str,
        path: str,
        projection: Projection,
        cursor: str = "",
        limit: int = 10_000,
        milliseconds: int = 1_000,
    ) -> AclSlice:
        """A slice of a walk that only looks."""
        return self._walk("acl_verify", root, path, projection, cursor, limit, milliseconds)

    def _walk(
        self,
        verb: str,
        root: str,
        path: str,
        projection: Projection,
        cursor: str,
        limit: int,
        milliseconds: int,
    ) -> AclSlice:
        value = self._ask(
            verb,
            FILES_S,
            root=root,
            path=path,
            projection=projection.model_dump(mode="json"),
            cursor=cursor,
            limit=limit,
            milliseconds=milliseconds,
        )
        return self._read(_SLICE, value)

    def unix_group(self, name: str) -> int | None:
        """The number of a Unix group there."""
        return self._read(_GID, self._ask("unix_group", FILES_S, name=name))

    def local_submit(self, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        """Run as child processes."""
        return self._submit("local_submit", jobs, LOCAL_SUBMIT_S)

    def local_observe(self) -> list[Sighting]:
        """Local jobs as they stand."""
        found = self._read(_LOCAL_JOBS, self._ask("local_observe", FILES_S))
        return [job.sighting(self._owner.uid) for job in found]

    def local_cancel(self, slurm_ids: Sequence[int]) -> None:
        """End local jobs."""
        self._ask("local_cancel", FILES_S, slurm_ids=list(slurm_ids))

    def _of_folders(
        self, verb: str, adapter: TypeAdapter[list[T]], folders: Sequence[tuple[str, str]]
    ) -> list[T]:
        """One answer for each folder, asked for in several calls."""
        found: list[T] = []
        for start in range(0, len(folders), _FOLDERS_A_CALL):
            some = folders[start : start + _FOLDERS_A_CALL]
            answers = self._read(adapter, self._ask(verb, FILES_S, folders=[list(f) for f in some]))
            if len(answers) != len(some):
                raise Unavailable("agent", "its answer cannot be read")
            found += answers
        return found

    def _ask(self, verb: str, timeout_s: float, **arguments: object) -> object:
        return self._exchange({"verb": verb, **arguments}, timeout_s)[0]

    def _exchange(self, request: dict[str, object], timeout_s: float) -> tuple[object, bytes]:
        try:
            return self._call(request, timeout_s, True)
        except (NotSent, Lost) as error:
            raise Unavailable("agent", str(error)) from error

    @staticmethod
    def _read(adapter: TypeAdapter[T], value: object) -> T:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise Unavailable("agent", "its answer cannot be read") from error

    def _submit(self, verb: str, jobs: Sequence[Submission], timeout_s: float) -> list[SubmitOutcome]:
        outcomes: list[SubmitOutcome] = []
        for batch in batches(jobs):
            outcomes += self._submit_batch(verb, batch, timeout_s)
        return outcomes

    def _submit_batch(self, verb: str, jobs: list[Submission], timeout_s: float) -> list[SubmitOutcome]:
        request: dict[str, object] = {"verb": verb, "jobs": [job.model_dump(mode="json") for job in jobs]}
        try:
            value, _ = self._call(request, timeout_s, False)
            answered = self._read(_OUTCOMES, value)
        except NotSent as error:
            return _all(jobs, Verdict.NOT_TRIED, str(error))
        except Refused as error:  # only ever said before anything is sent
            return _all(jobs, Verdict.REJECTED, str(error))
        except (Lost, SciServerError) as error:
            return _all(jobs, Verdict.UNKNOWN, str(error))
        if [outcome.uuid for outcome in answered] != [job.uuid for job in jobs]:
            return _all(jobs, Verdict.UNKNOWN, "the agent's answer is about other jobs")
        return [_sane(outcome) for outcome in answered]


def submit_limit_s(slurm_s: float) -> float:
    """How long one batch of jobs may take: two of sbatch's time-outs (`slurm_s`), and a bit."""
    return 2 * slurm_s + 10


def batches(jobs: Sequence[Submission]) -> list[list[Submission]]:
    """Jobs in order, as many in one frame as it takes."""
    done: list[list[Submission]] = []
    room = 0
    for job in jobs:
        size = len(job.model_dump_json())
        if not done or size > room or len(done[-1]) == protocol.JOBS_MAX:
            done.append([])
            room = protocol.SUBMIT_MAX
        done[-1].append(job)
        room -= size
    return done


def _all(jobs: Sequence[Submission], verdict: Verdict, message: str) -> list[SubmitOutcome]:
    return [SubmitOutcome(uuid=job.uuid, verdict=verdict, message=message[:_MESSAGE_MAX]) for job in jobs]


def _sane(outcome: SubmitOutcome) -> SubmitOutcome:
    """An acceptance without an id is none."""
    doubtful = outcome.verdict is Verdict.ACCEPTED and not outcome.slurm_id
    verdict = Verdict.UNKNOWN if doubtful else outcome.verdict
    return outcome.model_copy(update={"verdict": verdict, "message": outcome.message[:_MESSAGE_MAX]})


def end_record(text: str) -> EndRecord | None:
    """The end record a job wrote; None for anything else.

    Fields we do not know are left out.
    """
    try:
        value = json.loads(text)
        known = {name: value[name] for name in EndRecord.model_fields if name in value}
        return EndRecord.model_validate(known)
    except (ValueError, TypeError, RecursionError):
        return None


def session_record(text: str) -> SessionRecord | None:
    """The record a gate published; None for anything else."""
    try:
        return SessionRecord.model_validate_json(text)
    except ValueError:
        return None
