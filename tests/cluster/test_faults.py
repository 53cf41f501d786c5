"""Killing and freezing parts at bad moments: no job lost, none doubled, no state invented."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest
import requests

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.states import JobState

from .conftest import Cluster

PATIENCE = 180
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def alice(client_of: Callable[[str], Client]) -> Client:
    return client_of("alice")


def copies(run_as: Run, uuid: str) -> int:
    """How many Slurm jobs carry this job's uuid."""
    rows = run_as("alice", ["sacct", "-X", "-n", "-P", "-o", "jobname%200", "-S", "now-1hour"]).stdout
    return sum(uuid in row for row in rows.splitlines())


@pytest.mark.parametrize("name", ["broker", "portal", "nginx", "slurmctld"])
def test_a_running_job_survives_the_death_of(alice: Client, cluster: Cluster, run_as: Run, name: str) -> None:
    job = alice.submit_shell("echo started; sleep 9; echo done")
    assert wait(lambda: "started" in alice.log(job.id).text, PATIENCE, pause=0.5)
    if name == "slurmctld":
        let_it_save(cluster)
    cluster.part(name).kill()
    cluster.part(name).start()
    assert alice.wait(job.id, timeout=PATIENCE, poll=1).state is JobState.SUCCEEDED
    assert wait(lambda: copies(run_as, job.uuid) == 1, 30, pause=1)


def let_it_save(cluster: Cluster) -> None:
    """A controller writes down what changed within five seconds; killed before, it forgets the job."""
    file, now = cluster.state.root / "slurm" / "ctld" / "job_state", time.time()
    wait(lambda: file.stat().st_mtime > now, 6, pause=0.2)


def test_a_job_accepted_while_slurm_is_away_runs_once_when_it_is_back(
    alice: Client, cluster: Cluster, run_as: Run
) -> None:
    with cluster.part("slurmctld").away():
        job = alice.submit_shell("true")
        assert not alice.job(job.id).final
    assert alice.wait(job.id, timeout=PATIENCE, poll=1).state is JobState.SUCCEEDED
    assert wait(lambda: copies(run_as, job.uuid) == 1, 30, pause=1)


def test_without_the_directory_one_stays_logged_in_and_a_login_says_why(
    alice: Client, cluster: Cluster
) -> None:
    with cluster.part("slapd").away():
        assert alice.me().username == "alice"
        with pytest.raises(Unavailable):
            Client.login(cluster.url, "bob", cluster.password("bob"), str(cluster.ca))
        ready = requests.get(f"{cluster.url}/readyz", verify=str(cluster.ca), timeout=30).json()
        assert [one["system"] for one in ready["outages"]] == ["The directory of people"]


def test_while_the_portal_is_away_people_are_told_and_jobs_go_on(alice: Client, cluster: Cluster) -> None:
    job = alice.submit_shell("sleep 2")
    with cluster.part("portal").away():
        answer = requests.get(cluster.url, verify=str(cluster.ca), timeout=30)
        assert answer.status_code == 502
        assert "Jobs in Slurm go on" in answer.text
        with pytest.raises(Unavailable, match="portal"):
            Client.login(cluster.url, "bob", cluster.password("bob"), str(cluster.ca))
    assert alice.wait(job.id, timeout=PATIENCE, poll=1).state is JobState.SUCCEEDED
