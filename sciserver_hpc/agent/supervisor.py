"""Watches one local job: runs its script (every task of an array), ends it at its limit, writes how it ended.

Runs as a process of its own, in a session of its own, so that it survives the agent. SIGTERM means cancel.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from . import beneath, sbatch_options
from .environment import account, built
from .localdir import Fact, read_fact, this_process, write_fact

KILL_WAIT_S = 10.0
"""Between SIGTERM and SIGKILL, as Slurm's KillWait."""

NODE = os.uname().nodename


def supervise(folder: str) -> int:
    """Run the job in `folder` to its end, unless another supervisor has begun it or it is over already."""
    job = read_fact(folder, "job.json")
    if job is None:
        return 2
    run = _Run(folder, job)  # from here on SIGTERM means cancel
    if not _begin(folder):
        return 2
    if read_fact(folder, "end.json") is None:
        write_fact(folder, "end.json", run.run())
    return 0


def _begin(folder: str) -> bool:
    started = json.dumps((this_process(os.getpid()) or {}) | {"at": time.time()}).encode()
    try:
        with beneath.directory(folder, []) as here:
            beneath.write_new(here, "started.json", started, 0o600)
    except FileExistsError:
        return False
    return True


class _Run:
    """One job under watch."""

    def __init__(self, folder: str, job: Fact) -> None:
        self._folder = folder
        self._number = int(str(job["id"]))
        self._path = str(job["path"])
        options = job["options"]
        self._options = sbatch_options.Options([str(o) for o in options] if isinstance(options, list) else [])
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled = False
        signal.signal(signal.SIGTERM, self._cancel)

    def _cancel(self, *_: object) -> None:
        self._cancelled = True
        if self._child is not None:
            _signal_group(self._child, signal.SIGTERM)

    def run(self) -> Fact:
        """Run every task, one after another; the first that fails decides the job's end."""
        counts: dict[str, int] = {}
        each: list[list[object]] = []
        started, worst = time.time(), {"state": "SUCCEEDED", "exit_code": 0, "signal": None}
        tasks: list[int | None] = [*self._options.tasks] or [None]
        for task in tasks:
            begun, cpu = time.time(), _cpu_seconds()
            end = self._task(task)
            ended = [end["state"], end["exit_code"], end["signal"], round(begun, 3), round(time.time(), 3)]
            each.append([task, *ended, round(_cpu_seconds() - cpu, 3)])
            counts[str(end["state"])] = counts.get(str(end["state"]), 0) + 1
            worst = end if worst["state"] == "SUCCEEDED" else worst
        return worst | {
            "started": started,
            "ended": time.time(),
            "cpu_s": _cpu_seconds(),
            "tasks": counts if self._options.tasks else {},
            "each": each if self._options.tasks else [],
        }

    def _task(self, task: int | None) -> Fact:
        if self._cancelled:
            return {"state": "CANCELLED", "exit_code": None, "signal": None}
        try:
            with self._streams(task) as (out, err):
                self._child = self._spawn(task, out, err)
        except OSError as error:
            return {"state": "FAILED", "exit_code": 1, "signal": None, "reason": str(error)[:200]}
        write_fact(self._folder, "child.json", this_process(self._child.pid) or {})
        return self._watch(self._child)

    def _watch(self, child: subprocess.Popen[bytes]) -> Fact:
        if self._cancelled:  # the signal came between the check and the start
            _signal_group(child, signal.SIGTERM)
        late = not self._wait(child)
        if late:
            _signal_group(child, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(KILL_WAIT_S)
        _signal_group(child, signal.SIGKILL)  # also what the script left behind
        code = child.wait()
        state = "CANCELLED" if self._cancelled else "TIMEOUT" if late else "FAILED" if code else "SUCCEEDED"
        return {"state": state, "exit_code": max(code, 0), "signal": -code if code < 0 else None}

    def _wait(self, child: subprocess.Popen[bytes]) -> bool:
        """Wait until the child ended or was cancelled; False when its time is up."""
        deadline = time.monotonic() + self._options.seconds
        while child.poll() is None and not self._cancelled:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with suppress(subprocess.TimeoutExpired):
                child.wait(min(left, 1.0))
        return True

    def _spawn(self, task: int | None, out: int, err: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [f"{self._folder}/script"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=self._options.get("chdir") or account().pw_dir,
            env=self._environment(task),
            start_new_session=True,
        )

    @contextmanager
    def _streams(self, task: int | None) -> Iterator[tuple[int, int]]:
        """Where output goes; without `--error`, errors go with the output, as in sbatch(1)."""
        out = self._open(self._options.get("output") or os.devnull, task)
        try:
            err = self._open(self._options.get("error"), task) if self._options.get("error") else os.dup(out)
            try:
                yield out, err
            finally:
                os.close(err)
        finally:
            os.close(out)

    def _open(self, pattern: str, task: int | None) -> int:
        path = sbatch_options.expand(pattern, self._number, task, self._options.get("job-name"))
        directory = self._options.get("chdir") or "/"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        return os.open(os.path.join(directory, path), flags, 0o600)

    def _environment(self, task: int | None) -> dict[str, str]:
        """Slurm's variables for a batch script (sbatch(1), OUTPUT ENVIRONMENT VARIABLES) as far as they
        apply."""
        number, user = str(self._number), account()
        own = {
            "SHELL": user.pw_shell or "/bin/sh",
            "SLURM_JOB_ID": number,
            "SLURM_JOBID": number,
            "SLURM_JOB_NAME": self._options.get("job-name"),
            "SLURM_JOB_UID": str(os.getuid()),
            "SLURM_JOB_GID": str(os.getgid()),
            "SLURM_JOB_USER": user.pw_name,
            "SLURM_JOB_NODELIST": NODE,
            "SLURM_JOB_NUM_NODES": "1",
            "SLURM_JOB_PARTITION": self._options.get("partition", "local"),
            "SLURM_SUBMIT_DIR": self._options.get("chdir") or user.pw_dir,
            "SLURM_CPUS_PER_TASK": self._options.get("cpus-per-task", "1"),
            "SLURM_CPUS_ON_NODE": self._options.get("cpus-per-task", "1"),
            "SLURM_NTASKS": self._options.get("ntasks", "1"),
            "SLURMD_NODENAME": NODE,
        }
        if task is not None:
            own |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": str(task)}
        return built(self._path) | own


def _cpu_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
