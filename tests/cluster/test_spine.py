"""The spine: from the public API through LDAP, database, broker, Slurm and Apptainer, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster import cgroup
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.errors import NotFound, Refused
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.views import JobView

from .conftest import Cluster

PATIENCE = 120


@pytest.fixture
def alice(client_of: Callable[[str], Client]) -> Client:
    return client_of("alice")


def ended(client: Client, job: JobView) -> JobView:
    return client.wait(job.id, timeout=PATIENCE, poll=1)


def notebook(*cells: str) -> str:
    """A notebook (nbformat 4.5) of code cells."""
    rows = [
        {
            "cell_type": "code",
            "id": f"cell{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": rows})


def test_a_shell_job_runs_as_its_owner_in_the_image(alice: Client) -> None:
    job = ended(alice, alice.submit_shell("id -un; pwd; head -1 /etc/os-release", name="who am I"))
    assert job.state is JobState.SUCCEEDED, job.sentence
    user, folder, _system = alice.log(job.id).text.splitlines()
    assert user == "alice"
    assert folder == job.target.rstrip("/")


def test_the_sunspot_notebook_finds_the_cycle(alice: Client, cluster: Cluster) -> None:
    job = ended(alice, alice.submit_notebook(cluster.samples / "sunspots.ipynb"))
    assert job.state is JobState.SUCCEEDED, job.sentence
    found = re.search(r"ANSWER\D*([0-9.]+)", everything(alice, job))
    assert found
    assert float(found.group(1)) == pytest.approx(11.0, abs=0.3)


def test_a_failing_cell_fails_the_job_and_keeps_the_notebook(alice: Client, tmp_path: Path) -> None:
    text = notebook("print('before')", "raise ValueError('no such star')", "print('after')")
    job = ended(alice, alice.submit(kind="notebook", notebook=text, filename="broken.ipynb"))
    assert job.state is JobState.FAILED
    kept = alice.download(job.id, "broken.ipynb", tmp_path / "broken.ipynb").read_text()
    assert "no such star" in kept


def test_a_job_over_its_memory_ends_out_of_memory(alice: Client) -> None:
    if "enforced" not in cgroup.found().sentence:
        pytest.skip(cgroup.found().sentence)
    hungry = "python3 -c 'x = bytearray(400 << 20); print(len(x))'"
    job = ended(alice, alice.submit_shell(hungry, resources={"memory_mb": 150}))
    assert job.state is JobState.OUT_OF_MEMORY, job.sentence


def test_a_job_keeps_its_exit_code(alice: Client) -> None:
    job = ended(alice, alice.submit_shell("echo sorry >&2; exit 7"))
    assert job.state is JobState.FAILED
    assert job.end and job.end.exit_code == 7
    assert "sorry" in alice.log(job.id, "stderr").text


def test_a_running_job_is_cancelled(alice: Client) -> None:
    job = alice.submit_shell("echo started; sleep 600")
    assert wait(lambda: "started" in alice.log(job.id).text, PATIENCE, pause=0.5)
    alice.cancel(job.id)
    assert ended(alice, job).state is JobState.CANCELLED


def test_a_job_over_its_time_ends_timeout(alice: Client) -> None:
    job = alice.submit_shell("sleep 600", resources={"time_limit_s": 60})
    assert alice.wait(job.id, timeout=240, poll=5).state is JobState.TIMEOUT


def test_what_is_not_granted_is_refused_whole(client_of: Callable[[str], Client]) -> None:
    with pytest.raises(Refused, match="survey"):
        client_of("carol").submit_shell("true", volumes=[{"volume": "survey"}])


def test_a_granted_data_volume_is_readable_in_the_job(alice: Client) -> None:
    job = alice.submit_shell("ls /home/idies/workspace/survey", volumes=[{"volume": "survey"}])
    assert ended(alice, job).state is JobState.SUCCEEDED
    assert "README.md" in alice.log(job.id).text


def test_another_person_sees_nothing_of_a_job(client_of: Callable[[str], Client], alice: Client) -> None:
    job = ended(alice, alice.submit_shell("echo mine"))
    carol = client_of("carol")
    for peek in (carol.job, carol.log, carol.files, carol.cancel):
        with pytest.raises((NotFound, Refused)):
            peek(job.id)


def everything(client: Client, job: JobView) -> str:
    """What the job printed, and what its notebook holds."""
    return client.log(job.id).text + "".join(_notebooks(client, job))


def _notebooks(client: Client, job: JobView) -> list[str]:
    with TemporaryDirectory() as folder:
        names = [entry.name for entry in client.files(job.id) if entry.name.endswith(".ipynb")]
        return [client.download(job.id, name, Path(folder) / name).read_text() for name in names]


def test_slurm_tells_when_a_job_would_start(alice: Client) -> None:
    asked = alice.request(
        kind="shell",
        command="date",
        name="only asked",
        volumes=[{"volume": "sunspots"}],
        resources={"cpus": 1},
    )
    assert "to start at" in alice.test_only(asked)
    assert not list(alice.jobs(name="only asked"))
