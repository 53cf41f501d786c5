"""Submitting many jobs: folder and files first, then the start, several at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic

from . import folders, slurm, slurmrestd
from .problems import Problem
from .protocol import JOBS_MAX
from .settings import Settings

TYPE_CHECKING = False  # importing typing would cost a third of the start
if TYPE_CHECKING:
    from typing import Any

Job = dict[str, object]
Outcome = dict[str, object]
Start = Callable[[Job], tuple[str, int | None, str]]
"""Hands a prepared job over: (verdict, id, words); raises Problem for what cannot be started."""


def outcome(job: Job, verdict: str, slurm_id: int | None = None, message: str = "") -> Outcome:
    """An answer for one job."""
    return {"uuid": job["uuid"], "verdict": verdict, "slurm_id": slurm_id, "message": message}


def prepared(job: Job, start: Start) -> Outcome:
    """Make the folder of `job`, then start it; never raises Problem: nothing was queued then.

    It is a rejection, unless something is only away.
    """
    try:
        uuid, files = str(job["uuid"]), list(_list(job, "files"))
        folders.prepare(str(job["root"]), str(job["folder"]), uuid, files)
        return outcome(job, *start(job))
    except Problem as problem:
        verdict = "not_tried" if problem.reason == "unavailable" else "rejected"
        return outcome(job, verdict, None, str(problem))


def _list(job: Job, name: str) -> list[Any]:
    value = job[name]
    if not isinstance(value, list):
        raise Problem("invalid", f"{name} is not a list")
    return value


def demand_few(jobs: Sequence[Job]) -> None:
    """Raises Problem too_large for more jobs than one call may bring."""
    if len(jobs) > JOBS_MAX:
        raise Problem("too_large", f"at most {JOBS_MAX} jobs a call")


def submit(settings: Settings, jobs: Sequence[Job]) -> list[Outcome]:
    """One outcome per job, in order.

    After a first sign that Slurm does not answer, the jobs not yet begun are `not_tried`: a controller that
    hangs costs one timeout, not one per job. So are they where it is slow: who asked waits for two timeouts
    and a bit, and is to hear of all. Raises Problem too_large.
    """
    demand_few(jobs)
    return _Batch(settings, jobs).run()


class _Batch:
    """The jobs of one call, worked on by a few threads."""

    def __init__(self, settings: Settings, jobs: Sequence[Job]) -> None:
        self._settings = settings
        self._jobs = jobs
        self._outcomes: list[Outcome] = [outcome(job, "unknown", None, "the agent failed") for job in jobs]
        self._indices = iter(range(len(jobs)))
        self._lock = threading.Lock()
        self._down = ""
        self._begin_until = monotonic() + settings.timeout_s

    def run(self) -> list[Outcome]:
        count = min(self._settings.parallel, len(self._jobs)) - 1
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        self._work()
        for thread in threads:
            thread.join()
        return self._outcomes

    def _work(self) -> None:
        while (index := self._next()) is not None:
            job = self._jobs[index]
            if not self._down and monotonic() > self._begin_until:
                self._down = "Slurm is slow; the job had to wait for the next turn"
            if self._down:
                self._outcomes[index] = outcome(job, "not_tried", None, self._down)
            else:
                self._outcomes[index] = prepared(job, self._start)

    def _next(self) -> int | None:
        with self._lock:
            return next(self._indices, None)

    def _start(self, job: Job) -> tuple[str, int | None, str]:
        said, slurm_id, words = self._handed_over(job)
        if said in ("unknown", "not_tried"):
            self._down = words
        return said, slurm_id, words

    def _handed_over(self, job: Job) -> tuple[str, int | None, str]:
        options, script = slurm.check_options(_list(job, "options")), str(job["script"])
        if self._settings.submit_through == "slurmrestd":
            files = {
                f"{job['root']}/{job['folder']}/{file['path']}": str(file["text"])
                for file in _list(job, "files")
            }
            done = slurmrestd.submit(self._settings, options, script, files)
            if done is not None:
                return done
        return slurm.sbatch(self._settings, options, script)
