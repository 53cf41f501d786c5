"""How jobs stand: one list of the portal's for all of them, however many there are."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from submitit.core import core

from ..domain.errors import NotFound, SciServerError, Unavailable
from . import payload, runner

if TYPE_CHECKING:
    from ..client import Client
    from ..domain.views import JobView

LEAST_S, MOST_S = 1.0, 8.0
"""Between two looks: the least where there was news, then longer."""

PATIENCE_S = 600
"""So long nobody may answer, longer than a portal's restart."""

JOBS_PER_S = 50
"""Most that looks ask for: a look at 200 jobs is not followed by another for four seconds."""

PAGE = 500
"""Jobs in one answer of the portal, the most it gives."""

LOG_PIECE = 1_000_000
"""Bytes of a log in one answer, the most it gives."""

STATES = {"ACCEPTED": "PENDING", "SUBMITTING": "PENDING", "SUCCEEDED": "COMPLETED"}
"""In Slurm's words, which programs on submitit compare with; the others are the same."""


@dataclass(frozen=True)
class Place:
    """Where a function runs: a job of the portal's, and the index of its call there."""

    job: int
    task: int = 0

    @classmethod
    def of(cls, job_id: str) -> Place:
        """Of a submitit id, `17` or `17_3`."""
        job, _, task = job_id.partition("_")
        return cls(int(job), int(task or 0))

    def file(self, rank: int, kind: str) -> str:
        """What the runner calls a process's file of this kind."""
        return f"{runner.FOLDER}/{self.task}.{rank}.{kind}"


class Patience:
    """How long nobody answered."""

    def __init__(self) -> None:
        self._since: float | None = None

    def answered(self) -> None:
        """Somebody did."""
        self._since = None

    def unanswered(self, error: Unavailable) -> None:
        """Nobody did. Raises `error` when that has lasted too long."""
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since > PATIENCE_S:
            raise error


class SciServerWatcher(core.InfoWatcher):
    """Shared by all jobs of a process, and by its executors; it keeps the one client they need."""

    def __init__(self) -> None:
        super().__init__()
        self._client: Client | None = None
        self._views: dict[int, JobView] = {}
        self._left: dict[int, frozenset[str]] = {}
        self._heirs: dict[Place, Place] = {}
        self._absent: set[int] = set()
        self._pause = LEAST_S
        self._patience = Patience()

    @property
    def client(self) -> Client:
        """Of whoever is logged in (`sciserver login`, or SCISERVER_URL and SCISERVER_TOKEN).

        Raises BadCredentials where nobody is.
        """
        if self._client is None:
            from ..client import Client

            self._client = Client()
        return self._client

    @client.setter
    def client(self, client: Client) -> None:
        self._client = client

    # where a function runs --------------------------------------------------------------------------
    def places(self, job_id: str) -> list[Place]:
        """The jobs a function ran in so far; the last one counts."""
        found = [Place.of(job_id)]
        while found[-1] in self._heirs:
            found.append(self._heirs[found[-1]])
        return found

    def go_on(self, place: Place) -> None:
        """Submit what the function at `place` left to go on with: once, whoever asks and however often."""
        view = self._views[place.job]
        text = self._read(place.job, place.file(0, "checkpoint.py"))
        told = payload.header(text)
        job = self.client.submit(
            key=f"{view.uuid}.{place.task}.goes-on",
            kind="script",
            script=text,
            filename=view.filename,
            name=view.name,
            domain=view.domain,
            image=view.image,
            volumes=[{"volume": mount.volume, "mode": mount.mode} for mount in view.mounts],
            resources=view.resources,
            warn_s=told.warn_s,
        )
        self._views[job.id] = job
        self._heirs[place] = Place(job.id)

    def _read(self, job_id: int, path: str) -> str:
        with tempfile.TemporaryDirectory() as directory:
            file = self.client.download(job_id, path, Path(directory) / "text")
            return file.read_text(encoding="utf-8")

    def log(self, place: Place, rank: int, stream: str) -> str | None:
        """What a process wrote there so far; None where it wrote nothing yet."""
        try:
            return self._read(place.job, place.file(rank, stream)) if rank else self._log(place, stream)
        except NotFound:
            return None

    def _log(self, place: Place, stream: str) -> str | None:
        view = self.view(place)
        task = place.task if view is not None and view.array else None
        text, offset = "", 0
        while True:
            piece = self.client.log(place.job, stream, offset, length=LOG_PIECE, task=task)
            text += piece.text
            if piece.next <= offset or piece.next >= piece.size:
                return text if piece.size or piece.final else None
            offset = piece.next

    # how it stands ----------------------------------------------------------------------------------
    def view(self, place: Place) -> JobView | None:
        """The job as it was at the last look. Raises SciServerError where one has no such job."""
        if place.job in self._absent:
            where = f"at {self.client.url}; log in where it was submitted."
            raise SciServerError(f"You have no job {place.job} {where}")
        return self._views.get(place.job)

    def put(self, view: JobView) -> None:
        """A job just submitted: no look is needed to know of it."""
        self._views[view.id] = view

    def left(self, view: JobView) -> frozenset[str]:
        """Paths of what the runner left in the job's folder so far; once the job is over, all."""
        known = self._left.get(view.id)
        return self._listed(view) if known is None else known

    def _listed(self, view: JobView) -> frozenset[str]:
        try:
            entries = self.client.files(view.id, runner.FOLDER)
        except NotFound:
            entries = []
        self._left[view.id] = frozenset(f"{runner.FOLDER}/{entry.name}" for entry in entries)
        return self._left[view.id]

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        """In Slurm's words; of an array's task what can be told: whether it left a result."""
        self.update_if_long_enough(mode)
        place = self.places(job_id)[-1]
        view = self.view(place)
        if view is None:
            return "UNKNOWN"
        left = self._left.get(view.id, frozenset()) if view.array else frozenset()
        for kind, state in (("success.pkl", "COMPLETED"), ("error.pkl", "FAILED")):
            if place.file(0, kind) in left:
                return state
        return STATES.get(view.state.value, view.state.value)

    def get_info(self, job_id: str, mode: str = "force") -> dict[str, str]:
        """State, and what the portal says of the job."""
        state = self.get_state(job_id, mode)
        view = self.view(self.places(job_id)[-1])
        if view is None:
            return {"State": state}
        return {"JobID": job_id, "State": state, "NodeList": view.node, "Sentence": view.sentence}

    def update_if_long_enough(self, mode: str) -> None:
        """Look, unless that was a moment ago; `cache`: never, `force`: now."""
        pause = {"standard": self._pause, "force": 0.001, "cache": float("inf")}[mode]
        if time.time() - self._last_status_check > pause:
            self.update()

    def register_job(self, job_id: str) -> None:
        """Watch it too."""
        self._registered.add(job_id)
        self._start_time = time.time()
        self._pause = LEAST_S

    def finish(self, job_id: str) -> None:
        """Nothing of it is asked for any more: its result is here. Of its other ranks' it may not be."""
        self._finished.add(job_id)

    def want(self, job_id: str) -> None:
        """It is asked for all the same."""
        self._finished.discard(job_id)

    def update(self) -> None:
        """Look at all jobs that are not over: the list, newest first, down to the oldest of them; and for
        each running array which results are there."""
        watched = {self.places(job_id)[-1].job for job_id in self._registered - self._finished}
        over = {job for job in watched if job in self._views and self._views[job].final}
        wanted = watched - over - self._absent
        if not wanted:
            return
        self._num_calls += 1
        before = {job: (self._views.get(job), self._left.get(job)) for job in wanted}
        try:
            self._look(wanted)
            self._patience.answered()
        except Unavailable as error:
            self._patience.unanswered(error)
        finally:
            self._last_status_check = time.time()
        news = any((self._views.get(job), self._left.get(job)) != before[job] for job in wanted)
        pause = LEAST_S if news else self._pause * 1.5
        self._pause = min(max(pause, len(wanted) / JOBS_PER_S), MOST_S)

    def _look(self, wanted: set[int]) -> None:
        missing = set(wanted)
        for view in self.client.jobs(page=min(PAGE, len(wanted) + 10)):
            if view.id in missing:
                missing.remove(view.id)
                if view.array and (view.final or view.state.value in ("RUNNING", "COMPLETING")):
                    self._listed(view)  # first: a final view says that the listing is whole
                self._views[view.id] = view
            if not missing:
                return
        self._absent |= missing
