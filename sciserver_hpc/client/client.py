"""The portal's verbs, typed."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from ..domain import headers, options
from ..domain.errors import BadCredentials, Invalid, SciServerError, Unavailable
from ..domain.files import FileEntry
from ..domain.jobs import JobEvent, JobRequest, Kind
from ..domain.listing import LONGEST_LOOK
from ..domain.problems import problems
from ..domain.result_table import ResultRow
from ..domain.states import JobState
from ..domain.tasks import Task
from ..domain.views import JobView
from . import credentials, fetch, watch
from .batches import Submitted, batches, body, outcome
from .models import DomainInfo, ImageInfo, LogPiece, Me, Preview, TokenInfo, VolumeInfo, read
from .notifications import Notifications
from .sessions import Sessions
from .transport import Transport


class Client(Sessions, Notifications):
    """A portal, as one person.

    url, token, ca: default to the environment (SCISERVER_URL, SCISERVER_TOKEN or SCISERVER_TOKEN_FILE,
    SCISERVER_CA), then to what `sciserver login` kept. timeout: seconds for one call. sleep: how to wait.
    Calls that may be made twice are tried again when the portal is away.

    The errors are those of `sciserver_hpc.domain.errors`; every method may raise Unavailable (no answer),
    BadCredentials (token missing or over), Refused (not allowed).
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        ca: str | None = None,
        timeout: float = 30,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.credentials = credentials.find(url, token, ca)
        found = self.credentials
        self._http = Transport(found.url, found.token, found.ca, timeout, sleep)

    @classmethod
    def login(
        cls, url: str, username: str, password: str, ca: str | None = None, timeout: float = 30
    ) -> Client:
        """Log in with a password; the token lives in the returned client only (`keep` stores it).

        Raises BadCredentials, LockedOut.
        """
        ca = ca or credentials.find(url).ca
        with_no_token = Transport(url, None, ca, timeout)
        try:
            answer = with_no_token.json("POST", "/login", json={"username": username, "password": password})
        finally:
            with_no_token.close()
        client = cls(url, answer["token"], ca, timeout)
        client.credentials = credentials.Credentials(client.url, answer["token"], ca, username)
        return client

    def keep(self) -> Path:
        """Store portal and token for the next client; returns the file."""
        file = credentials.path()
        credentials.save(self.credentials, file)
        return file

    def logout(self) -> None:
        """End the token at the portal and forget it here; one that is over already is only forgotten."""
        file = credentials.path()
        kept = credentials.load(file)
        with contextlib.suppress(BadCredentials):
            self._http.json("POST", "/logout", safe=True)
        if kept is not None and kept.token == self.credentials.token:
            file.unlink(missing_ok=True)

    @property
    def url(self) -> str:
        """The portal's base URL."""
        return self._http.url

    def close(self) -> None:
        """Close kept connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # who and where ----------------------------------------------------------------------------------
    def me(self) -> Me:
        """Who the token belongs to."""
        answer = self._http.json("GET", "/me")
        return read(Me, answer.get("user", answer))

    def domains(self) -> list[DomainInfo]:
        """Compute domains one may use, with their images."""
        return [read(DomainInfo, row) for row in self._http.json("GET", "/domains")["domains"]]

    def images(self) -> list[ImageInfo]:
        """Images one may run."""
        return [read(ImageInfo, row) for row in self._http.json("GET", "/images")["images"]]

    def volumes(self) -> list[VolumeInfo]:
        """Volumes one may mount."""
        return [read(VolumeInfo, row) for row in self._http.json("GET", "/volumes")["volumes"]]

    # tokens -------------------------------------------------------------------------------------------
    def tokens(self) -> list[TokenInfo]:
        """Live tokens, newest first."""
        return [read(TokenInfo, row) for row in self._http.json("GET", "/tokens")["tokens"]]

    def make_token(self, name: str, scopes: Iterable[str], days: int) -> tuple[str, TokenInfo]:
        """A token for a program: its secret, told only now, and its row."""
        body = {"name": name, "scopes": sorted(scopes), "days": days}
        answer = self._http.json("POST", "/tokens", json=body)
        row = answer.get("token")
        secret = answer["secret"] if isinstance(row, dict) else row
        return str(secret), read(TokenInfo, row if isinstance(row, dict) else answer)

    def revoke_token(self, token_id: int) -> None:
        """End a token. Raises NotFound."""
        self._http.json("DELETE", f"/tokens/{token_id:d}")

    # submitting ---------------------------------------------------------------------------------------
    def request(self, **fields: Any) -> JobRequest:
        """The JobRequest of `fields`. Of resources given as a mapping, the rest is the domain's default.

        Raises Invalid.
        """
        asked = fields.get("resources")
        if isinstance(asked, Mapping):
            fields["resources"] = self._defaults(fields.get("domain")) | dict(asked)
        try:
            return JobRequest.model_validate(fields)
        except ValidationError as error:
            raise Invalid(problems(error)) from error

    def _defaults(self, domain: str | None) -> dict[str, Any]:
        """Default resources of `domain`; None: of the one the portal would choose."""
        for offered in self.domains():
            if offered.name == domain or (domain is None and offered.batch):
                return offered.defaults.model_dump()
        return {}

    def submit(self, request: JobRequest | None = None, *, key: str | None = None, **fields: Any) -> JobView:
        """Submit `request`, or the JobRequest of `fields`.

        `key`: the same key and request give the same job, however often it is sent; made here when not given,
        so that a lost answer makes no second job. Raises Invalid, Refused, Conflict (key used for another
        request).
        """
        key = key or uuid.uuid4().hex
        asked = body(request or self.request(**fields))
        try:
            answer = self._http.json("POST", "/jobs", safe=True, json=asked, headers={"Idempotency-Key": key})
        except Unavailable as error:
            again = f"{error.detail} The job may have been accepted; submit it again with key {key}"
            raise Unavailable(error.system, f"{again} to get that one and no second.") from error
        return read(JobView, answer["job"])

    def submit_many(self, requests: Iterable[JobRequest], *, key: str | None = None) -> list[Submitted]:
        """Submit many requests in few calls; for each, in order, its job or the error `submit` would raise.

        One that is refused does not keep the others from being accepted. `key`: as for `submit`; the same key
        and requests give the same jobs. Raises Unavailable when a call gets no answer: some may have been
        accepted then, and the words say how to go on.
        """
        key = key or uuid.uuid4().hex
        return [
            one
            for number, batch in enumerate(batches(requests))
            for one in self._submit_batch(batch, key, number)
        ]

    def _submit_batch(self, batch: Sequence[str], key: str, number: int) -> list[Submitted]:
        headers = {"Idempotency-Key": f"{key}.{number}", "Content-Type": "application/json"}
        text = f'{{"jobs": [{", ".join(batch)}]}}'
        try:
            answer = self._http.json("POST", "/jobs/batch", safe=True, data=text, headers=headers)
        except Invalid as error:  # the call as such, as a job too large to be sent: nothing was accepted
            return [error] * len(batch)
        except Unavailable as error:
            again = f"{error.detail} Some jobs may have been accepted; submit the same again with key {key}"
            raise Unavailable(error.system, f"{again} to get those and none twice.") from error
        return [outcome(row) for row in answer["jobs"]]

    def submit_shell(self, command: str, **fields: Any) -> JobView:
        """Submit a command line for bash."""
        return self.submit(kind=Kind.SHELL, command=command, **fields)

    def submit_script(self, path: str | Path, *arguments: str, **fields: Any) -> JobView:
        """Submit a script; its #SBATCH and #SCISERVER lines count where `fields` say nothing."""
        text = _text(Path(path))
        written = dict(headers.read(text).values)
        if options.needs_place(written):
            written["domain"] = (options.place(written, self.domains()),)
        merged: dict[str, Any] = options.fields(written) | fields
        merged.setdefault("filename", options.payload_name(str(path)))
        return self.submit(kind=Kind.SCRIPT, script=text, arguments=arguments, **merged)

    def submit_notebook(
        self, path: str | Path, parameters: Mapping[str, Any] | None = None, **fields: Any
    ) -> JobView:
        """Submit a notebook, its papermill parameters set to `parameters`."""
        fields.setdefault("filename", options.payload_name(str(path)))
        return self.submit(
            kind=Kind.NOTEBOOK, notebook=_text(Path(path)), parameters=dict(parameters or {}), **fields
        )

    def preview(self, request: JobRequest) -> Preview:
        """What Slurm would get; nothing is submitted."""
        return read(Preview, self._ask(request, "preview"))

    def test_only(self, request: JobRequest) -> str:
        """What Slurm says it would do (sbatch --test-only); nothing is submitted."""
        return str(self._ask(request, "test_only")["message"])

    def _ask(self, request: JobRequest, what: str) -> Any:
        return self._http.json("POST", "/jobs", safe=True, params={what: "1"}, json=body(request))

    # watching -----------------------------------------------------------------------------------------
    def job(self, job_id: int) -> JobView:
        """One job. Raises NotFound."""
        return read(JobView, self._http.json("GET", f"/jobs/{job_id:d}")["job"])

    def jobs(
        self,
        *,
        states: Iterable[JobState | str] = (),
        domain: str | None = None,
        name: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        page: int | None = None,
    ) -> Iterator[JobView]:
        """One's jobs, newest first, page by page. `name`: a part of it; after, before: when accepted.

        page: how many the portal sends at a time; None: as it likes.
        """
        query: dict[str, Any] = {
            "state": ",".join(JobState(state).value for state in states) or None,
            "domain": domain,
            "name": name,
            "after": after.isoformat() if after else None,
            "before": before.isoformat() if before else None,
            "limit": page,
            "look": LONGEST_LOOK,
        }
        return (read(JobView, row) for row in self._http.pages("/jobs", query, "jobs", "before_id"))

    def events(self, job_id: int) -> list[JobEvent]:
        """A job's history, oldest first."""
        answer = self._http.json("GET", f"/jobs/{job_id:d}/events")
        return [read(JobEvent, row) for row in answer["events"]]

    def script(self, job_id: int) -> Preview:
        """What Slurm really got."""
        return read(Preview, self._http.json("GET", f"/jobs/{job_id:d}/script"))

    def tasks(self, job_id: int, states: Iterable[JobState | str] = ()) -> Iterator[Task]:
        """The tasks of an array by index, page by page; those in `states` where any is named.

        Raises NotFound, Conflict (no array).
        """
        query = {"state": ",".join(JobState(state).value for state in states) or None, "limit": 1000}
        rows = self._http.pages(f"/jobs/{job_id:d}/tasks", query, "tasks", "after")
        return (read(Task, row) for row in rows)

    def retry(self, job_id: int, *, cancelled: bool = False, key: str | None = None) -> JobView:
        """Run the failed tasks of an array again, `cancelled`: and those that were cancelled; a new job.

        `key`: as for `submit`. Raises NotFound, Conflict (not over, nothing failed), Invalid, Refused.
        """
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        path, asked = f"/jobs/{job_id:d}/retry", {"cancelled": cancelled}
        return read(JobView, self._http.json("POST", path, safe=True, json=asked, headers=headers)["job"])

    def table(self, job_id: int) -> Iterator[ResultRow]:
        """What an array's tasks found: a row per task, page by page. Raises NotFound, Conflict (no array)."""
        rows = self._http.pages(f"/jobs/{job_id:d}/table", {}, "rows", "after")
        return (read(ResultRow, row) for row in rows)

    def cancel(self, job_id: int) -> JobView:
        """Cancel. Raises Conflict when the job is over already."""
        return read(JobView, self._http.json("POST", f"/jobs/{job_id:d}/cancel", safe=True)["job"])

    def wait(self, job_id: int, timeout: float | None = None, poll: float = 5) -> JobView:
        """Return the job once it is over; looks every `poll` seconds at the least often.

        Survives restarts of the portal. Raises TimeoutError after `timeout` seconds.
        """
        return watch.until_final(lambda: self.job(job_id), self._pace(poll), timeout)

    # output -------------------------------------------------------------------------------------------
    def log(
        self,
        job_id: int,
        stream: str = "stdout",
        offset: int = 0,
        length: int | None = None,
        task: int | None = None,
    ) -> LogPiece:
        """A piece of stdout or stderr from byte `offset` (negative: from the end).

        `task`: of an array; its first when not given. Raises NotFound.
        """
        query = {"stream": stream, "offset": offset, "length": length, "task": task}
        return read(LogPiece, self._http.json("GET", f"/jobs/{job_id:d}/log", params=query))

    def follow(
        self,
        job_id: int,
        stream: str = "stdout",
        offset: int = 0,
        poll: float = 3,
        task: int | None = None,
    ) -> Iterator[str]:
        """The text of a log as it is written, until the job (of an array: every task) is over."""
        return (piece.text for piece in self.follow_pieces(job_id, stream, offset, poll, task))

    def follow_pieces(
        self,
        job_id: int,
        stream: str = "stdout",
        offset: int = 0,
        poll: float = 3,
        task: int | None = None,
    ) -> Iterator[LogPiece]:
        """As `follow`, with positions, so that a program can go on where it stopped."""
        return watch.pieces(
            lambda start: self.log(job_id, stream, start, task=task), self._pace(poll), offset
        )

    def files(self, job_id: int, path: str = "") -> list[FileEntry]:
        """Entries of a directory of the job folder. Raises NotFound."""
        answer = self._http.json("GET", f"/jobs/{job_id:d}/files", params={"path": path})
        return [read(FileEntry, row) for row in answer["entries"]]

    def download(self, job_id: int, path: str, to: str | Path) -> Path:
        """Write one file of the job folder to file `to`, or into directory `to`: whole or not at all."""
        target = Path(to)
        if target.is_dir():
            target = target / fetch.local_name(path)
        with self._http.call(
            "GET", f"/jobs/{job_id:d}/files/content", params={"path": path}, stream=True
        ) as response:
            fetch.write(response.iter_content(1 << 18), target)
        return target

    def results(self, job_id: int, to: str | Path) -> fetch.Fetched:
        """The whole job folder into directory `to`; links and special files are left out and told."""

        def content(path: str, target: Path) -> Path:
            if target.is_dir():
                raise SciServerError(f"{target} is a directory; choose an empty one for the results.")
            return self.download(job_id, path, target)

        return fetch.tree(lambda path: self.files(job_id, path), content, Path(to))

    def _pace(self, most: float) -> watch.Pace:
        return watch.Pace(most, self._http.sleep)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise Invalid({str(path): "it is not UTF-8 text."}) from error
    except OSError as error:
        raise Invalid({str(path): f"it cannot be read: {error.strerror}."}) from error
