"""Python functions through submitit, the portal, Slurm and an image, and back: as alice, from a program."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import metadata
from operator import add, truediv
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import submitit
from submitit.core.utils import FailedJobError, UncompletedJobError

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster import commands, settings
from sciserver_hpc.devcluster.namespace import Command
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.functions.executor import SciServerExecutor
from sciserver_hpc.functions.job import SciServerJob
from sciserver_hpc.functions.watcher import SciServerWatcher

from .conftest import Cluster

cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def executor(
    client_of: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[SciServerExecutor]:
    watcher = SciServerWatcher()
    watcher.client = client_of("alice")
    monkeypatch.setattr(SciServerJob, "watcher", watcher)
    made = SciServerExecutor(tmp_path)
    made.update_parameters(timeout_min=5, mem_gb=0.25, cpus_per_task=1, domain="batch", image="python")
    yield made


def where() -> tuple[str, str | None, int, int]:
    here = submitit.JobEnvironment()
    return here.job_id, here.array_task_id, here.global_rank, here.num_tasks


def read_me() -> list[str]:
    """The examples on submitit of its own front page, as the installed release has it."""
    text = metadata("submitit").get_payload()
    assert isinstance(text, str)
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "import submitit" in block]


def test_submitits_own_example_runs_unchanged(cluster: Cluster) -> None:
    """From a machine without Slurm's commands, after a login: the portal is submitit's own choice there."""
    state = cluster.state
    home = state.shared / "home" / "alice"
    env = commands.environment(state) | {
        "HOME": str(home),
        "SCISERVER_URL": settings.url(state),
        "SCISERVER_CA": str(cluster.ca),
    }
    with Client.login(cluster.url, "alice", cluster.password("alice"), str(cluster.ca)) as client:
        env["SCISERVER_TOKEN"] = client.credentials.token or ""
    (example,) = read_me()
    check = "\nassert type(job).__name__ == 'SciServerJob'"
    argv = ["env", "PATH=/nowhere", sys.executable, "-c", example + check]
    done = cluster.namespace.run(Command(argv, user="alice", directory=str(home), env=env), timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().isdecimal()


def test_an_array_one_of_whose_calls_fails(executor: SciServerExecutor) -> None:
    jobs = executor.map_array(truediv, [6, 1, 8], [2, 0, 2])
    assert (jobs[0].result(), jobs[2].result()) == (3.0, 4.0)
    with pytest.raises(FailedJobError, match="ZeroDivisionError"):
        jobs[1].result()
    assert "ZeroDivisionError" in (jobs[1].stderr() or "")
    assert [job.state for job in jobs] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert len({job.job_id.partition("_")[0] for job in jobs}) == 1


def test_a_batch_a_command_and_the_job_environment(executor: SciServerExecutor) -> None:
    with executor.batch():
        inside = executor.submit(where)
        command = executor.submit(submitit.helpers.CommandFunction(["id", "-un"]))
    assert inside.result() == (inside.job_id, "0", 0, 1)
    assert command.result() == "alice"


def test_ranks_and_their_logs(executor: SciServerExecutor) -> None:
    executor.update_parameters(tasks_per_node=3)
    job = executor.submit(lambda: print("rank", where()[2]) or where())
    assert job.results() == [(job.job_id, None, rank, 3) for rank in range(3)]
    assert job.task(2).stdout() == "rank 2\n"


def test_results_as_they_come(executor: SciServerExecutor) -> None:
    async def collect(jobs: list[Any]) -> list[int]:
        waiting = [job.awaitable().result(poll_interval=0.2) for job in jobs]
        return [await result for result in asyncio.as_completed(waiting)]

    jobs = [executor.submit(add, number, 1) for number in range(3)]
    assert sorted(asyncio.run(collect(jobs))) == [1, 2, 3]


def test_a_cancelled_function(executor: SciServerExecutor) -> None:
    job = executor.submit(time.sleep, 300)
    assert wait(lambda: job.done(force_check=True) or job.state == "RUNNING", 60)
    job.cancel()
    with pytest.raises(UncompletedJobError, match="ancelled"):
        job.result()
    assert job.state == "CANCELLED"


class Growing(submitit.helpers.Checkpointable):
    """Goes on from where it was; says so, that a test may know when to interrupt it."""

    def __init__(self) -> None:
        self.jobs: list[str] = []

    def __call__(self) -> list[str]:
        import os

        self.jobs.append(os.environ["SCISERVER_JOB_ID"])
        print("begun", len(self.jobs), flush=True)
        if len(self.jobs) < 3:
            time.sleep(200)
        return [*self.jobs, submitit.JobEnvironment().job_id]


def test_a_function_goes_on_after_slurms_signal_as_the_same_job(
    executor: SciServerExecutor, cluster: Cluster, run_as: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Twice: the second time from the checkpoint of a checkpoint."""
    job = executor.submit(Growing())
    client = SciServerJob.watcher.client
    for said in ("begun 1", "begun 2"):
        assert wait(lambda said=said: not job.done(force_check=True) and said in (job.stdout() or ""), 90)
        running = SciServerJob.watcher.places(job.job_id)[-1].job
        slurm_id = client.job(running).slurm_id
        done = run_as("alice", ["scancel", "--batch", "--signal=USR1", str(slurm_id)])
        assert done.returncode == 0, done.stderr
    first, second, third, known_as = job.result()
    assert first == known_as == job.job_id
    assert len({first, second, third}) == 3
    options = client.script(int(first)).options
    assert "--signal=B:USR1@75" in options  # a quarter of five minutes, where 90 s were asked
