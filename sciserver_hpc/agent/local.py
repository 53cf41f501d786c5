"""Jobs without a scheduler: each runs as a child process, watched by a supervisor that survives the agent.

Jobs wait for a free slot in the order of their ids. They are started by `submit` and by `observe`, which the
broker calls at every tick.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from . import beneath, submission
from .localdir import Fact, LocalDir, is_alive, read_fact, write_fact
from .problems import Problem, about
from .sbatch_options import Options
from .settings import Settings
from .slurm import check_options

KEEP_S = 86_400.0
"""How long an ended job is remembered."""

_SATISFIED = {"afterok": {"SUCCEEDED"}, "afternotok": {"FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}}


class LocalJob:
    """A job as its files show it now."""

    def __init__(self, number: int, folder: str) -> None:
        self.number = number
        self.folder = folder
        self.asked = read_fact(folder, "job.json") or {}
        self.started = read_fact(folder, "started.json")
        self.end = read_fact(folder, "end.json") or self._vanished()

    def _vanished(self) -> Fact | None:
        """The end of a job whose supervisor is gone without a word (killed, or the machine restarted)."""
        if self.started is None or is_alive(self.started) or is_alive(read_fact(self.folder, "child.json")):
            return None
        written_meanwhile = read_fact(self.folder, "end.json")
        return written_meanwhile or {
            "state": "NODE_FAIL",
            "reason": "the process watching the job was killed",
        }

    @property
    def options(self) -> Options:
        """As submitted."""
        options = self.asked.get("options")
        return Options([str(option) for option in options] if isinstance(options, list) else [])

    @property
    def waiting(self) -> bool:
        """Not started, not over."""
        return self.started is None and self.end is None

    @property
    def running(self) -> bool:
        """Started, not over."""
        return self.started is not None and self.end is None

    def sighting(self) -> Fact:
        """As `domain.scheduling.Sighting` wants it, times in seconds since 1970."""
        end = self.end or {}
        state = end.get("state") or ("PENDING" if self.waiting else "RUNNING")
        return {
            "slurm_id": self.number,
            "mark": self.asked.get("mark"),
            "state": state,
            "reason": end.get("reason") or ("Resources" if self.waiting else ""),
            "started": (self.started or {}).get("at"),
            "ended": end.get("ended"),
            "exit_code": end.get("exit_code"),
            "signal": end.get("signal"),
            "cpu_s": end.get("cpu_s"),
            "tasks": end.get("tasks") or {},
            "each": end.get("each") or [],
        }


def _all(place: LocalDir) -> list[LocalJob]:
    """Every job accepted; a directory without what was asked is left of one that could not be."""
    jobs = (LocalJob(number, place.folder(number)) for number in place.ids())
    return [job for job in jobs if job.asked]


def submit(settings: Settings, jobs: Sequence[submission.Job]) -> list[submission.Outcome]:
    """Accept each job, one outcome each, and start what there is room for.

    Raises Problem too_large.
    """
    submission.demand_few(jobs)
    place = LocalDir(settings)
    with place.locked():
        outcomes = [submission.prepared(job, lambda job: _accept(settings, place, job)) for job in jobs]
        _dispatch(settings, place)
    return outcomes


def _accept(settings: Settings, place: LocalDir, job: submission.Job) -> tuple[str, int, str]:
    options = job["options"]
    checked = check_options(options if isinstance(options, list) else [options])
    with about(beneath.shown(place.path)):
        number = place.new()
    asked: Fact = {"id": number, "mark": job["mark"], "options": checked, "path": settings.local_path}
    try:
        _keep(place.folder(number), str(job["script"]), asked)
    except Problem:
        place.remove(number)
        raise
    return "accepted", number, ""


def _keep(folder: str, script: str, asked: Fact) -> None:
    """Write a job down; it counts once `job.json` is there."""
    with beneath.directory(folder, []) as here, about(beneath.shown(folder)):
        beneath.write_new(here, "script", script.encode("utf-8", "surrogateescape"), 0o700)
    write_fact(folder, "job.json", asked)


def observe(settings: Settings) -> list[Fact]:
    """Sightings of all jobs alive or ended within KEEP_S; starts what waits and forgets what is older."""
    place = LocalDir(settings)
    with place.locked():
        _dispatch(settings, place)
        for job in _all(place):
            ended = (job.end or {}).get("ended")
            if isinstance(ended, float) and ended < time.time() - KEEP_S:
                place.remove(job.number)
        return [job.sighting() for job in _all(place)]


def cancel(settings: Settings, slurm_ids: Sequence[int]) -> None:
    """End jobs, waiting or running; others are no error."""
    place = LocalDir(settings)
    wanted = {int(number) for number in slurm_ids}
    with place.locked():
        for job in _all(place):
            if job.number in wanted and job.waiting:
                _close(job, "CANCELLED", "")
                _stop(LocalJob(job.number, job.folder))  # it may have started this very moment
            elif job.number in wanted and job.running:
                _stop(job)


def _stop(job: LocalJob) -> None:
    """Ask the supervisor; where that is gone, end what it left running."""
    child = read_fact(job.folder, "child.json")
    with suppress(ProcessLookupError):
        if is_alive(job.started):
            os.kill(int(str((job.started or {})["pid"])), signal.SIGTERM)
        elif is_alive(child):
            os.killpg(int(str((child or {})["pid"])), signal.SIGTERM)


def _close(job: LocalJob, state: str, reason: str) -> None:
    end: Fact = {"state": state, "reason": reason, "ended": time.time()}
    write_fact(job.folder, "end.json", end)
    job.end = end


def _dispatch(settings: Settings, place: LocalDir) -> None:
    """Start waiting jobs while there are slots; write down the end of those that vanished."""
    jobs = _all(place)
    for job in jobs:
        if job.end is not None and "ended" not in job.end:
            _close(job, str(job.end["state"]), str(job.end.get("reason", "")))
    free = settings.local_slots - sum(job.running for job in jobs)
    states = {job.number: str((job.end or {}).get("state", "")) for job in jobs}
    for job in jobs:
        if not job.waiting:
            continue
        ready = _ready(job, states)
        if ready is False:
            _close(job, "CANCELLED", "DependencyNeverSatisfied")
        elif ready and free > 0:
            _start(job)
            free -= 1


def _ready(job: LocalJob, states: dict[int, str]) -> bool | None:
    """May it start by its dependencies? None: not yet; False: never.

    A job nothing is known of any more counts as never.
    """
    for kind, number in job.options.dependencies:
        state = states.get(number, "LOST")
        if state == "":
            return None
        if kind in _SATISFIED and state not in _SATISFIED[kind]:
            return False
    return True


def _start(job: LocalJob) -> None:
    """Start the supervisor; it says itself that it did, so that of two only one runs the job."""
    agent = os.path.dirname(os.path.abspath(__file__))
    supervisor = subprocess.Popen(
        [sys.executable, "-I", "-S", agent, "supervise", job.folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        start_new_session=True,
    )
    threading.Thread(target=supervisor.wait, daemon=True).start()
