"""Agents in memory: one filesystem shared by all users, submissions recorded, failures on demand.

    agents = FakeAgents()
    agents.make_directory("/shared/Temporary/alice", uid=2001)
    agents.put("/shared/Temporary/alice/x.txt", b"text")
    agents.fates += [Verdict.REJECTED, Verdict.UNKNOWN]   # of the next submissions, then ACCEPTED
    agents.fail(2001, Unavailable("agent", "down"))       # every call of this uid raises, until heal(2001)
    agents.shut = "no slurmrestd"                         # why jobs do not go through it
    agents.deny("/shared/Storage/bob")                    # denied to everybody, with all below
    agents.groups["portal-team"] = 7001                   # a Unix group that the machine knows
    agents.submitted, agents.cancelled                    # what was asked, in order: (owner, …)
    agents.end("/shared/Temporary/alice/jobs", "2026-01-15/1", EndRecord(exit_code=0, slurm_id=1))

It answers as the real agent does: tests/agents/test_contract.py runs on both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import PurePosixPath

from sciserver_hpc.domain.acl import Inode
from sciserver_hpc.domain.acl_walk import AclSlice
from sciserver_hpc.domain.errors import AgentError, Refused, SciServerError
from sciserver_hpc.domain.files import FileEntry, FileKind
from sciserver_hpc.domain.gates import SessionRecord
from sciserver_hpc.domain.projection import Projection
from sciserver_hpc.domain.scheduling import (
    EndRecord,
    Owner,
    Sighting,
    Submission,
    SubmitOutcome,
    Verdict,
    uuid_of,
)
from sciserver_hpc.domain.states import JobState

from .acls import FakeAcls

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
_WORDS = {
    Verdict.ACCEPTED: "",
    Verdict.REJECTED: "Batch job submission failed: Invalid partition name specified",
    Verdict.UNKNOWN: "Batch job submission failed: Socket timed out on send/recv operation",
    Verdict.NOT_TRIED: "Unable to contact slurm controller (connect failure)",
}


class FakeAgents:
    """The port `Agents`."""

    def __init__(self, min_uid: int = 1000) -> None:
        self.min_uid = min_uid
        self.files: dict[str, bytes] = {}
        self.directories: dict[str, int] = {"/": 0}
        self.acls = FakeAcls()
        self.groups: dict[str, int] = {}
        self.fates: deque[Verdict] = deque()
        self.submitted: list[tuple[Owner, Submission]] = []
        self.cancelled: list[tuple[Owner, int]] = []
        self.local: dict[int, tuple[Owner, Sighting]] = {}
        self.ids = count(1001)
        self.shut = ""
        self._failing: dict[int, SciServerError] = {}
        self._denied: set[str] = set()

    def of(self, owner: Owner) -> FakeAgent:
        """The agent of `owner`.

        Raises Refused for a system account.
        """
        if owner.uid < self.min_uid:
            raise Refused({f"user {owner.username}": f"uid {owner.uid} is a system account"})
        return FakeAgent(self, owner)

    def ping(self, owner: Owner) -> str:
        """Raises what `fail` was given."""
        self.of(owner)
        self.demand_health(owner)
        return f"agent of {owner.username} answers as uid {owner.uid}"

    def close(self) -> None:
        """Nothing is open."""

    def fail(self, uid: int, error: SciServerError) -> None:
        """From now on every call for `uid` raises `error`."""
        self._failing[uid] = error

    def heal(self, uid: int) -> None:
        """Calls for `uid` work again."""
        self._failing.pop(uid, None)

    def deny(self, path: str) -> None:
        """Nobody may access `path` and what is below."""
        self._denied.add(path)

    def make_directory(self, path: str, uid: int = 0) -> None:
        """A directory with its parents; `uid` owns those that are new."""
        for part in reversed([PurePosixPath(path), *PurePosixPath(path).parents]):
            self.directories.setdefault(str(part), uid)
            self.acls.make(str(part), FileKind.DIRECTORY, uid)

    def put(self, path: str, data: bytes, uid: int = 0) -> None:
        """A file with its directories."""
        self.make_directory(str(PurePosixPath(path).parent), uid)
        self.files[path] = data
        self.acls.make(path, FileKind.FILE, uid)

    def end(self, root: str, folder: str, record: EndRecord, task: int | None = None) -> None:
        """What the wrapper writes last."""
        name = "end.json" if task is None else f"end.{task}.json"
        self.put(f"{root}/{folder}/.sciserver/{name}", record.model_dump_json().encode())

    def demand_health(self, owner: Owner) -> None:
        """Raises what `fail` was given."""
        if owner.uid in self._failing:
            raise self._failing[owner.uid]

    def at(self, root: str, path: str) -> str:
        """The absolute path, existing or not.

        Raises AgentError invalid, denied.
        """
        names = path.split("/") if path else []
        if "\0" in path or any(name in ("", ".", "..") for name in names):
            raise AgentError("invalid", f"{path!r} is not a plain relative path")
        full = "/".join([root, *names])
        if any(full == denied or full.startswith(f"{denied}/") for denied in self._denied):
            raise AgentError("denied", f"you may not access {path!r}")
        return full

    def entry(self, full: str) -> FileEntry:
        """An entry by its absolute path.

        Raises AgentError not_found.
        """
        name = PurePosixPath(full).name
        if full in self.files:
            size = len(self.files[full])
            return FileEntry(name=name, kind=FileKind.FILE, size=size, modified_at=NOON, mode=0o600)
        if full in self.directories:
            return FileEntry(name=name, kind=FileKind.DIRECTORY, size=0, modified_at=NOON, mode=0o700)
        raise AgentError("not_found", f"there is no {full!r}")

    def children(self, full: str) -> list[str]:
        """Absolute paths directly in a directory, by name.

        Raises AgentError not_found, invalid.
        """
        if self.entry(full).kind is not FileKind.DIRECTORY:
            raise AgentError("invalid", f"{full!r} is not a directory")
        everything = [*self.files, *self.directories]
        return sorted(path for path in everything if path != "/" and str(PurePosixPath(path).parent) == full)


class FakeAgent:
    """The port `Agent`, for one user."""

    def __init__(self, agents: FakeAgents, owner: Owner) -> None:
        self._agents = agents
        self._owner = owner

    def submit(self, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        """As scripted in `fates`."""
        self._agents.demand_health(self._owner)
        return [self._submit(job) for job in jobs]

    def _submit(self, job: Submission) -> SubmitOutcome:
        try:
            self._prepare(job)
        except AgentError as error:
            return SubmitOutcome(uuid=job.uuid, verdict=Verdict.REJECTED, message=str(error))
        verdict = self._agents.fates.popleft() if self._agents.fates else Verdict.ACCEPTED
        self._agents.submitted.append((self._owner, job))
        slurm_id = next(self._agents.ids) if verdict is Verdict.ACCEPTED else None
        return SubmitOutcome(uuid=job.uuid, verdict=verdict, slurm_id=slurm_id, message=_WORDS[verdict])

    def _prepare(self, job: Submission) -> None:
        """The folder with its files; taken by another uuid it is refused."""
        self._agents.entry(job.root)
        folder = self._agents.at(job.root, job.folder)
        marker = f"{folder}/.sciserver/uuid"
        if folder in self._agents.directories and self._agents.files.get(marker) != job.uuid.encode():
            raise AgentError("invalid", f"the folder {job.folder!r} exists already; submit the job again")
        self._agents.put(marker, job.uuid.encode(), self._owner.uid)
        for file in job.files:
            self._agents.put(self._agents.at(folder, file.path), file.text.encode(), self._owner.uid)

    def test_only(self, job: Submission) -> str:
        """As scripted in `fates`; REJECTED is refused."""
        self._agents.demand_health(self._owner)
        verdict = self._agents.fates.popleft() if self._agents.fates else Verdict.ACCEPTED
        if verdict is not Verdict.ACCEPTED:
            raise Refused({"job": _WORDS[verdict]})
        return "Job 1 to start at 2026-01-15T12:00:00 using 1 processors on nodes n1 in partition batch"

    def door(self) -> str:
        """As scripted in `shut`."""
        self._agents.demand_health(self._owner)
        return self._agents.shut

    def cancel(self, slurm_ids: Sequence[int]) -> None:
        """Recorded in `cancelled`."""
        self._agents.demand_health(self._owner)
        self._agents.cancelled += [(self._owner, slurm_id) for slurm_id in slurm_ids]

    def end_records(self, folders: Sequence[tuple[str, str]]) -> list[tuple[EndRecord, ...]]:
        """What `end` put there."""
        self._agents.demand_health(self._owner)
        return [self._ends(root, folder) for root, folder in folders]

    def _ends(self, root: str, folder: str) -> tuple[EndRecord, ...]:
        prefix = f"{root}/{folder}/.sciserver/end."
        paths = sorted((path for path in self._agents.files if path.startswith(prefix)), key=_task)
        return tuple(EndRecord.model_validate_json(self._agents.files[path]) for path in paths)

    def results(self, root: str, folder: str, names: Sequence[str]) -> list[tuple[str, str]]:
        """What `put` left there."""
        self._agents.demand_health(self._owner)
        place = self._agents.at(root, folder)
        self._agents.entry(place)
        return [self._result(f"{place}/{name}") for name in names[:256]]

    def _result(self, path: str) -> tuple[str, str]:
        if path in self._agents.directories:
            return "", f"{PurePosixPath(path).name!r} is not a regular file (links and pipes are not opened)"
        data = self._agents.files.get(path)
        if data is None:
            return "", "absent"
        if len(data) > 16384:
            return "", f"{PurePosixPath(path).name!r} is larger than 16384 bytes"
        try:
            return data.decode(), ""
        except UnicodeDecodeError:
            return "", "it is not UTF-8 text"

    def session_records(self, folders: Sequence[tuple[str, str]]) -> list[SessionRecord | None]:
        """What `put` left at `<root>/<folder>/.sciserver/session.json`."""
        self._agents.demand_health(self._owner)
        return [self._session(f"{root}/{folder}/.sciserver/session.json") for root, folder in folders]

    def _session(self, path: str) -> SessionRecord | None:
        try:
            return SessionRecord.model_validate_json(self._agents.files.get(path, b""))
        except ValueError:
            return None

    def make_volume(self, root: str, owner: str, name: str) -> None:
        """As the real one: `<root>/<owner>` must exist and be the user's."""
        self._agents.demand_health(self._owner)
        home = self._agents.at(root, owner)
        self._agents.entry(home)
        if self._agents.directories[home] != self._owner.uid:
            raise AgentError("denied", f"{owner!r} belongs to somebody else")
        self._agents.make_directory(self._agents.at(home, name), self._owner.uid)

    def listing(self, root: str, path: str, limit: int = 10_000) -> list[FileEntry]:
        """Of the shared filesystem."""
        self._agents.demand_health(self._owner)
        paths = self._agents.children(self._agents.at(root, path))
        return [self._agents.entry(path) for path in paths[:limit]]

    def stat(self, root: str, path: str) -> FileEntry:
        """Of the shared filesystem."""
        self._agents.demand_health(self._owner)
        entry = self._agents.entry(self._agents.at(root, path))
        return entry if path else entry.model_copy(update={"name": ""})

    def read(self, root: str, path: str, offset: int = 0, length: int = 1_000_000) -> tuple[bytes, int]:
        """Of the shared filesystem."""
        self._agents.demand_health(self._owner)
        full = self._agents.at(root, path)
        if self._agents.entry(full).kind is not FileKind.FILE:
            raise AgentError("invalid", f"{path!r} is not a regular file")
        data = self._agents.files[full]
        start = max(0, len(data) + offset) if offset < 0 else offset
        return data[start : start + min(length, 4 << 20)], len(data)

    def acl_show(self, root: str, path: str) -> Inode:
        """Of the shared filesystem."""
        self._agents.demand_health(self._owner)
        return self._agents.acls.show(root, self._agents.at(root, path))

    def acl_apply(
        self,
        root: str,
        path: str,
        projection: Projection,
        cursor: str = "",
        limit: int = 10_000,
        milliseconds: int = 1_000,
    ) -> AclSlice:
        """As the real one, but for `milliseconds`: no time goes by."""
        return self._walk(root, path, projection, cursor, limit, change=True)

    def acl_verify(
        self,
        root: str,
        path: str,
        projection: Projection,
        cursor: str = "",
        limit: int = 10_000,
        milliseconds: int = 1_000,
    ) -> AclSlice:
        """The same, changing nothing."""
        return self._walk(root, path, projection, cursor, limit, change=False)

    def _walk(
        self, root: str, path: str, projection: Projection, cursor: str, limit: int, change: bool
    ) -> AclSlice:
        self._agents.demand_health(self._owner)
        full = self._agents.at(root, path)
        return self._agents.acls.walk(self._owner.uid, root, full, projection, cursor, limit, change)

    def unix_group(self, name: str) -> int | None:
        """As in `groups`."""
        self._agents.demand_health(self._owner)
        gid = self._agents.groups.get(name)
        return None if list(self._agents.groups.values()).count(gid) > 1 else gid

    def local_submit(self, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        """Like submit; jobs stay RUNNING until the test changes `local`."""
        outcomes = self.submit(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.slurm_id is not None:
                seen = Sighting(
                    slurm_id=outcome.slurm_id,
                    uuid=uuid_of(job.mark),
                    uid=self._owner.uid,
                    state=JobState.RUNNING,
                )
                self._agents.local[outcome.slurm_id] = (self._owner, seen)
        return outcomes

    def local_observe(self) -> list[Sighting]:
        """This user's part of `local`."""
        self._agents.demand_health(self._owner)
        return [seen for owner, seen in self._agents.local.values() if owner.uid == self._owner.uid]

    def local_cancel(self, slurm_ids: Sequence[int]) -> None:
        """Recorded in `cancelled`; live ones become CANCELLED."""
        self.cancel(slurm_ids)
        for slurm_id in slurm_ids:
            owner, seen = self._agents.local.get(slurm_id, (self._owner, None))
            if seen is not None and seen.state is not None and not seen.state.final:
                over = {"state": JobState.CANCELLED, "cancelled_by": owner.uid}
                self._agents.local[slurm_id] = (owner, seen.model_copy(update=over))


def _task(path: str) -> int:
    """The array task in an end record's name; -1 for `end.json`."""
    part = path.rsplit("/", 1)[-1].split(".")[1]
    return int(part) if part.isdecimal() else -1
