"""Submitit, through the plugin, against a portal behind real HTTP whose jobs really run."""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import submitit
from submitit.core import plugins
from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

from sciserver_hpc.client import Client
from sciserver_hpc.domain.arrays import task_count
from sciserver_hpc.domain.errors import Invalid, SciServerError, Unavailable
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.functions import payload
from sciserver_hpc.functions.executor import SciServerExecutor
from sciserver_hpc.functions.job import SciServerJob
from sciserver_hpc.functions.watcher import SciServerWatcher
from tests.fakes.portal import TOKEN, FakePortal, serving

from .image import run
from .test_runner import Slow, interrupted

cloudpickle.register_pickle_by_value(sys.modules[__name__])
SETUP = Path(__file__).parents[2] / "setup.cfg"


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakePortal]:
    """A portal where alice is logged in, known to the plugin."""
    fake = FakePortal()
    with serving(fake), Client(fake.url, TOKEN, sleep=fake.time_passes) as client:
        watcher = SciServerWatcher()
        watcher.client = client
        monkeypatch.setattr(SciServerJob, "watcher", watcher)
        monkeypatch.setenv("SCISERVER_URL", fake.url)
        monkeypatch.setenv("SCISERVER_TOKEN", TOKEN)
        yield fake


@pytest.fixture
def executor(portal: FakePortal, tmp_path: Path) -> SciServerExecutor:
    return SciServerExecutor(tmp_path / "logs")


@pytest.fixture
def auto(portal: FakePortal, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Submitit knows the plugin by the entry points that an installation declares."""
    setup = ConfigParser()
    setup.read(SETUP)
    rows = setup["options.entry_points"]["submitit"].strip().splitlines()
    points = [EntryPoint(*re.split(r"\s*=\s*", row), "submitit") for row in rows]
    caches = (plugins._get_plugins, plugins.get_executors, plugins.get_job_environments)
    monkeypatch.setattr(plugins, "_iter_submitit_entrypoints", lambda: points)
    for known in caches:
        known.cache_clear()
    yield
    for known in caches:
        known.cache_clear()


def ends(portal: FakePortal, folder: Path, number: int = 11) -> None:
    """The job runs, every task of it, and ends as its exit codes say."""
    asked = portal.requests[number - 11]
    assert asked.script
    tasks: list[int | None] = list(range(task_count(asked.array))) if asked.array else [None]
    done = {task: run(asked.script, folder, number, task) for task in tasks}
    keep(portal, folder)
    for task, (_, out, err) in done.items():
        dot = "" if task is None else f".{task}"
        portal.logs |= {f"stdout{dot}": out.encode(), f"stderr{dot}": err.encode()}
    failed = any(code for code, _, _ in done.values())
    portal.ends(number, JobState.FAILED if failed else JobState.SUCCEEDED)


def keep(portal: FakePortal, folder: Path) -> None:
    """What the runner left is what the portal shows."""
    found = {f"functions/{path.name}": path.read_bytes() for path in (folder / "functions").iterdir()}
    portal.files = {"functions": None, **found}


def test_a_function_comes_back(portal: FakePortal, executor: SciServerExecutor, tmp_path: Path) -> None:
    executor.update_parameters(timeout_min=3, mem_gb=0.5, cpus_per_task=4, name="sum", image="python")
    job = executor.submit(lambda a, b: print("adding") or a + b, 5, b=7)
    assert (job.job_id, job.state, job.done()) == ("11", "PENDING", False)
    asked = portal.requests[0]
    assert asked.resources
    assert (asked.resources.time_limit_s, asked.resources.memory_mb, asked.resources.cpus) == (180, 512, 4)
    assert (asked.name, asked.image, asked.array, asked.warn_s) == ("sum", "python", None, None)
    assert job.submission().args == (5,)
    ends(portal, tmp_path / "job")
    assert job.done(force_check=True)
    assert job.result() == 12
    assert (job.state, job.stdout(), job.stderr()) == ("COMPLETED", "adding\n", "")
    assert job.paths.stdout.read_text() == "adding\n"


def test_an_array_is_one_job_and_its_tasks_have_results_of_their_own(
    portal: FakePortal, executor: SciServerExecutor, tmp_path: Path
) -> None:
    executor.update_parameters(array_parallelism=2)
    jobs = executor.map_array(lambda x: 1 // x, [1, 0, 2])
    assert [asked.array for asked in portal.requests] == ["0-2%2"]
    assert [job.job_id for job in jobs] == ["11_0", "11_1", "11_2"]
    ends(portal, tmp_path / "job")
    assert all(job.done(force_check=True) for job in jobs)
    assert (jobs[0].result(), jobs[2].result()) == (1, 0)
    with pytest.raises(FailedJobError, match="ZeroDivisionError"):
        jobs[1].result()
    assert [job.state for job in jobs] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "ZeroDivisionError" in (jobs[1].stderr() or "")


def test_a_task_is_done_while_others_run(
    portal: FakePortal, executor: SciServerExecutor, tmp_path: Path
) -> None:
    first, second = executor.map_array(abs, [-1, -2])
    portal.change(11, state=JobState.RUNNING)
    assert portal.requests[0].script
    run(portal.requests[0].script, tmp_path / "job", 11, 0)
    keep(portal, tmp_path / "job")
    assert first.done(force_check=True)
    assert not second.done()
    assert first.result() == 1
    assert second.state == "RUNNING"


def test_one_list_tells_of_all_jobs(portal: FakePortal, executor: SciServerExecutor) -> None:
    jobs = [executor.submit(abs, -n) for n in range(20)]
    assert portal.calls.count("GET /api/v1/domains") <= 1
    portal.calls.clear()
    assert not any(job.done() for job in jobs)
    assert portal.calls == ["GET /api/v1/jobs"]


def test_a_result_of_another_portals_job_of_that_number_is_not_taken(
    portal: FakePortal, executor: SciServerExecutor, tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "11_0_result.pkl").write_bytes(pickle.dumps(("success", "of another")))
    job = executor.submit(abs, -1)
    assert not job.done(force_check=True)
    ends(portal, tmp_path / "job")
    assert job.done(force_check=True)
    assert job.result() == 1


def test_a_portal_that_restarts_ends_no_wait(
    portal: FakePortal,
    executor: SciServerExecutor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = executor.submit(abs, -1)
    ends(portal, tmp_path / "job")
    portal.trouble = [503] * 5
    assert not job.done(force_check=True)
    monkeypatch.setattr("sciserver_hpc.functions.watcher.PATIENCE_S", -1)
    portal.trouble = [503] * 5
    SciServerJob.watcher._last_status_check = 0  # a moment later
    with pytest.raises(Unavailable):
        job.done(force_check=True)
    portal.trouble = []
    SciServerJob.watcher._last_status_check = 0
    assert job.done(force_check=True)
    assert job.result() == 1


def test_a_job_without_a_result_says_why(portal: FakePortal, executor: SciServerExecutor) -> None:
    job = executor.submit(abs, 1)
    portal.change(11, sentence="It ran out of memory; ask for more.")
    portal.ends(11, JobState.OUT_OF_MEMORY)
    assert job.done(force_check=True)
    with pytest.raises(UncompletedJobError, match="It ran out of memory; ask for more"):
        job.result()
    assert job.state == "OUT_OF_MEMORY"


def test_a_checkpoint_goes_on_as_another_job_once_whoever_looks(
    portal: FakePortal, executor: SciServerExecutor, tmp_path: Path
) -> None:
    executor.update_parameters(signal_delay_s=30, volumes=["sdss"])
    function = Slow()
    job = executor.submit(function, str(tmp_path / "ready"))
    other = pickle.loads(pickle.dumps(job))
    assert portal.requests[0].warn_s == 30
    header = payload.header(portal.requests[0].script or "")
    assert interrupted(function, tmp_path / "job", header) == 0
    keep(portal, tmp_path / "job")
    portal.ends(11, JobState.SUCCEEDED)
    assert not job.done(force_check=True)
    SciServerJob.watcher._heirs.clear()  # another process knows nothing of it
    assert not other.done(force_check=True)
    assert list(portal.jobs) == [11, 12]
    assert portal.requests[1].warn_s == 30
    assert portal.requests[1].name == portal.requests[0].name
    ends(portal, tmp_path / "again", 12)
    assert job.done(force_check=True)
    assert job.result() == (2, "17")  # interrupted() runs it as job 17
    assert job.job_id == "11"


def test_a_task_goes_on_from_its_checkpoint_though_another_failed(
    portal: FakePortal, executor: SciServerExecutor, tmp_path: Path
) -> None:
    first, second = executor.submit_array([Slow(), lambda: 1 // 0])
    assert portal.requests[0].script
    header = payload.Header(checkpointable=True, countdown=1)
    assert interrupted(Slow(), tmp_path / "job", header) == 0
    run(portal.requests[0].script, tmp_path / "job", 11, 1)
    keep(portal, tmp_path / "job")
    portal.ends(11, JobState.FAILED)
    assert not first.done(force_check=True)
    assert second.done()
    assert portal.requests[1].array is None
    ends(portal, tmp_path / "again", 12)
    assert first.done(force_check=True)
    assert first.result()[0] == 2


def test_a_folder_that_cannot_be_listed_does_not_pass_for_an_empty_one(
    portal: FakePortal, executor: SciServerExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = executor.map_array(abs, [-1, -2])
    ends(portal, tmp_path / "job")

    def away(*_: object) -> None:
        raise Unavailable("the agent", "it starts")

    with monkeypatch.context() as patched:
        patched.setattr(SciServerJob.watcher.client, "files", away)
        assert not any(job.done(force_check=True) for job in jobs)
    SciServerJob.watcher._last_status_check = 0
    assert [job.result() for job in jobs] == [1, 2]


def test_a_cancelled_job_does_not_go_on(
    portal: FakePortal, executor: SciServerExecutor, tmp_path: Path
) -> None:
    job = executor.submit(Slow(), "")
    portal.files = {"functions": None, "functions/0.0.checkpoint.py": b"x"}
    job.cancel()
    assert portal.jobs[11].cancel_requested
    portal.ends(11, JobState.CANCELLED)
    assert job.done(force_check=True)
    assert len(portal.jobs) == 1


def test_a_task_is_not_cancelled_alone(portal: FakePortal, executor: SciServerExecutor) -> None:
    job = executor.map_array(abs, [1, 2])[1]
    with pytest.raises(Invalid, match="sciserver-cancel 11"):
        job.cancel()
    job.cancel(check=False)
    assert not portal.jobs[11].cancel_requested


def test_processes_of_a_job(portal: FakePortal, executor: SciServerExecutor, tmp_path: Path) -> None:
    executor.update_parameters(tasks_per_node=2, cpus_per_task=2)
    job = executor.submit(lambda: print("rank", submitit.JobEnvironment().global_rank) or 5)
    assert portal.requests[0].resources
    assert portal.requests[0].resources.cpus == 4
    ends(portal, tmp_path / "job")
    assert job.done(force_check=True)
    assert job.results() == [5, 5]
    assert job.task(1).stdout() == "rank 1\n"
    assert job.stdout() == "rank 0\n\nrank 1\n"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"nodes": 2}, "nodes: a function runs on one node"),
        ({"partition": "x"}, "partition: there is no such parameter; there are array_parallelism"),
        ({"timeout_min": 0}, "timeout_min: 0 is no whole number of at least 1"),
        ({"volumes": "sdss"}, "volumes: give a list"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(
    executor: SciServerExecutor, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        executor.update_parameters(**asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"image": "nobody"}, "unknown image `nobody`"),
        ({"image": "secret"}, "you have no grant"),
        ({"volumes": ["../etc"]}, "volumes"),
        ({"name": "a\nb"}, "not printable"),
    ],
)
def test_what_the_portal_refuses_is_a_failed_submission(
    executor: SciServerExecutor, asked: dict[str, Any], words: str
) -> None:
    executor.update_parameters(**asked)
    with pytest.raises(FailedSubmissionError, match=words):
        executor.submit(abs, 1)


def test_only_ones_own_jobs_are_looked_at(portal: FakePortal, tmp_path: Path) -> None:
    """A result is a pickle: one of somebody else's job would run their code here."""
    job: SciServerJob[int] = SciServerJob(tmp_path, "99")
    with pytest.raises(SciServerError, match="You have no job 99"):
        job.done()
    own = SciServerExecutor(tmp_path / "%j").submit(abs, -1)
    assert not own.done(force_check=True)  # it does not stand in the way of others
    ends(portal, tmp_path / "job")
    SciServerJob.watcher._last_status_check = 0
    assert own.result() == 1
    assert (tmp_path / "11" / "11_0_result.pkl").exists()


@pytest.mark.usefixtures("auto")
def test_submitit_finds_the_plugin_by_itself(
    portal: FakePortal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no srun: a laptop
    executor = submitit.AutoExecutor(folder=tmp_path / "logs")
    executor.update_parameters(timeout_min=1, slurm_partition="dev", sciserver_image="python")
    assert executor.cluster == "sciserver"
    assert isinstance(executor.submit(abs, -1), SciServerJob)
    with pytest.raises(NameError, match="Valid arguments"):
        executor.update_parameters(sciserver_partition="dev")
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "sciserver")
    assert type(submitit.JobEnvironment()).__name__ == "SciServerJobEnvironment"


@pytest.mark.usefixtures("auto")
def test_who_is_not_logged_in_keeps_submitits_own_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SCISERVER_URL")
    assert submitit.AutoExecutor(folder=tmp_path / "logs").cluster == "local"
