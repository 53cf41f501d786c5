"""Any one process killed or deaf at any moment: a job is one Slurm job, and its row tells the truth.

What Slurm did is counted in accounting, by the uuid in the jobs' names.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster import cgroup, slurm
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.views import JobView

from .conftest import Cluster, kill
from .storm import PARTS, Storm, database_away, differing, hurry, rage, submit_stubbornly

PATIENCE = 150
SEED = 20261123
JOBS, FAULTS = 200, 16
"""Of a storm."""


@pytest.fixture
def alice(client_of: Callable[[str], Client]) -> Client:
    return client_of("alice")


@pytest.fixture(autouse=True)
def mended(cluster: Cluster) -> Iterator[None]:
    """Whatever a test broke is whole for the next one."""
    yield
    for name in PARTS:
        cluster.part(name).start()


def ended(client: Client, jobs: Sequence[JobView]) -> list[JobView]:
    return [client.wait(job.id, timeout=PATIENCE, poll=1) for job in jobs]


def check(cluster: Cluster, jobs: Sequence[JobView]) -> None:
    """Each of `jobs` is one Slurm job, and ended as that did."""
    assert wait(lambda: not differing(cluster, jobs), 30, pause=1), differing(cluster, jobs)


def told(client: Client, job: JobView) -> str:
    """The job's whole history."""
    return "\n".join(event.text for event in client.events(job.id))


def ready(cluster: Cluster) -> dict[str, Any]:
    """What /readyz says."""
    answer = requests.get(f"{cluster.url}/readyz", verify=str(cluster.ca), timeout=30)
    return dict(answer.json())


@contextmanager
def browser(cluster: Cluster, username: str) -> Iterator[Callable[[str], str]]:
    """A person's browser: path → page."""
    with requests.Session() as session:
        session.verify, session.trust_env = str(cluster.ca), False
        form = session.get(f"{cluster.url}/login", timeout=30).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert token
        fields = {"csrf_token": token[1], "username": username, "password": cluster.password(username)}
        headers = {"Referer": f"{cluster.url}/login"}
        session.post(f"{cluster.url}/login", data=fields, headers=headers, timeout=30)
        yield lambda path: session.get(f"{cluster.url}{path}", timeout=30).text


# Slurm's daemons --------------------------------------------------------------------------------------
def test_a_lost_answer_of_sbatch_makes_one_job(alice: Client, cluster: Cluster) -> None:
    """A deaf controller still has the request in its socket: sbatch gives up, and the job is queued later."""
    with cluster.part("slurmctld").frozen():
        job = alice.submit_shell("true")
        assert wait(lambda: "answer was lost" in told(alice, job), PATIENCE, pause=0.5)
        assert alice.job(job.id).state is JobState.SUBMITTING
        assert "looked up before a next try" in alice.job(job.id).sentence
    [job] = ended(alice, [job])
    check(cluster, [job])
    assert job.state is JobState.SUCCEEDED


def test_without_the_controller_pages_say_so_and_work_waits(alice: Client, cluster: Cluster) -> None:
    known = alice.submit_shell("sleep 10")
    assert wait(lambda: alice.job(known.id).state is JobState.RUNNING, PATIENCE, pause=0.5)
    with browser(cluster, "alice") as page, cluster.part("slurmctld").away():
        new = alice.submit_shell("true")
        assert wait(lambda: ready(cluster)["notes"]["cluster:default"]["ok"] is False, 30, pause=0.5)
        assert [one["system"] for one in ready(cluster)["outages"]] == ["Cluster default"]
        assert "Cluster default is away" in page("/jobs")
        assert f"/jobs/{known.id}" in page("/jobs")
        assert wait(lambda: "could not be handed to Slurm" in alice.job(new.id).sentence, 30, pause=0.5)
        assert alice.job(known.id).state is JobState.RUNNING
    jobs = ended(alice, [known, new])
    check(cluster, jobs)
    assert {job.state for job in jobs} == {JobState.SUCCEEDED}
    assert wait(lambda: ready(cluster)["notes"]["cluster:default"]["ok"] is True, 30, pause=0.5)


def test_what_a_killed_controller_forgot_runs_all_the_same(alice: Client, cluster: Cluster) -> None:
    """It saves its state every few seconds; what it took since then it does not know when it is back.

    Such a job has two rows in accounting then: a pending one that nobody ends, and one that ran.
    """
    partition = f"partitionname={alice.submit_shell('true').domain}"
    cluster.root("scontrol", "update", partition, "state=down")
    try:
        jobs = [alice.submit_shell("true") for _ in range(5)]
        assert wait(lambda: all(alice.job(job.id).slurm_id for job in jobs), PATIENCE, pause=0.05)
        cluster.part("slurmctld").kill()
        cluster.part("slurmctld").start()
    finally:
        cluster.root("scontrol", "update", partition, "state=up")
    jobs = ended(alice, jobs)
    assert {job.state for job in jobs} == {JobState.SUCCEEDED}
    assert wait(lambda: all(ran(cluster, job) == 1 for job in jobs), 30, pause=1)


def ran(cluster: Cluster, job: JobView) -> int:
    """How many Slurm jobs of this one's uuid completed."""
    return [copy.state for copy in cluster.accounted().get(job.uuid, [])].count("COMPLETED")


def test_without_accounting_jobs_run_and_end(alice: Client, cluster: Cluster) -> None:
    with cluster.part("slurmdbd").away():
        [job] = ended(alice, [alice.submit_shell("exit 3")])
        assert job.state is JobState.FAILED
        assert job.end and job.end.exit_code == 3
        assert wait(lambda: ready(cluster)["notes"]["accounting:default"]["ok"] is False, 60, pause=0.5)
        assert [one["system"] for one in ready(cluster)["outages"]] == ["Accounting of cluster default"]
    check(cluster, [job])


def test_a_node_that_dies_ends_its_job_as_node_fail(alice: Client, cluster: Cluster) -> None:
    job = alice.submit_shell("sleep 300")
    assert wait(lambda: alice.job(job.id).node != "", PATIENCE, pause=0.5)
    node = alice.job(job.id).node
    cluster.part(f"slurmd-{node}").kill()
    try:
        cluster.root("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        [job] = ended(alice, [job])
    finally:
        cluster.part(f"slurmd-{node}").start()
        assert wait(lambda: slurm.nodes_are_up(cluster.namespace), 60, pause=0.5)
    check(cluster, [job])
    assert job.state is JobState.NODE_FAIL
    assert f"The node {node} failed" in job.sentence


# what administrators and limits do ---------------------------------------------------------------------
def test_a_requeue_is_refused_by_slurm_and_changes_nothing(alice: Client, cluster: Cluster) -> None:
    job = alice.submit_shell("echo started; sleep 8")
    assert wait(lambda: alice.job(job.id).state is JobState.RUNNING, PATIENCE, pause=0.5)
    with pytest.raises(Exception, match="disabled"):
        cluster.root("scontrol", "requeue", str(alice.job(job.id).slurm_id))
    [job] = ended(alice, [job])
    check(cluster, [job])
    assert job.state is JobState.SUCCEEDED


def test_cancelled_by_root_it_names_an_administrator(alice: Client, cluster: Cluster) -> None:
    job = alice.submit_shell("sleep 300")
    assert wait(lambda: alice.job(job.id).state is JobState.RUNNING, PATIENCE, pause=0.5)
    cluster.root("scancel", str(alice.job(job.id).slurm_id))
    [job] = ended(alice, [job])
    check(cluster, [job])
    assert job.state is JobState.CANCELLED
    told_by = "Cancelled by an administrator or by Slurm itself (uid 0)."
    assert wait(lambda: told_by in alice.job(job.id).sentence, 60, pause=1), alice.job(job.id).sentence


def test_out_of_memory_is_told_with_its_numbers(alice: Client, cluster: Cluster) -> None:
    if "enforced" not in cgroup.found().sentence:
        pytest.skip(cgroup.found().sentence)
    hungry = "python3 -c 'x = bytearray(400 << 20)'"
    [job] = ended(alice, [alice.submit_shell(hungry, resources={"memory_mb": 150})])
    check(cluster, [job])
    assert job.state is JobState.OUT_OF_MEMORY
    assert "150 MB" in job.sentence


# our own processes ------------------------------------------------------------------------------------
def test_a_broker_killed_while_it_submits_loses_and_doubles_nothing(alice: Client, cluster: Cluster) -> None:
    jobs = [alice.submit_shell("true") for _ in range(20)]
    cluster.part("broker").kill()
    jobs += [alice.submit_shell("true") for _ in range(10)]
    cluster.part("broker").start()
    jobs = ended(alice, jobs)
    check(cluster, jobs)
    assert {job.state for job in jobs} == {JobState.SUCCEEDED}


def test_of_two_brokers_one_leads_and_the_other_takes_over(alice: Client, cluster: Cluster) -> None:
    first, second = cluster.part("broker"), cluster.second("broker")
    second.start()
    try:
        before = ended(alice, [alice.submit_shell("true")])
        assert leader(cluster) == pid(first)
        first.kill()
        after = ended(alice, [alice.submit_shell("true") for _ in range(5)])
        assert leader(cluster) == pid(second)
        check(cluster, before + after)
    finally:
        second.stop()


def leader(cluster: Cluster) -> int:
    return int(ready(cluster)["notes"]["broker"]["holder"].partition(":")[2])


def pid(part: Any) -> int:
    assert part.process
    return int(part.process.pid)


def test_an_agent_killed_while_it_submits_loses_and_doubles_nothing(alice: Client, cluster: Cluster) -> None:
    jobs = [alice.submit_shell("true") for _ in range(10)]
    for agent in cluster.agents_of("alice"):
        kill(agent)
    jobs = ended(alice, jobs)
    check(cluster, jobs)
    assert {job.state for job in jobs} == {JobState.SUCCEEDED}


def test_without_the_directory_a_login_says_why_and_sessions_go_on(alice: Client, cluster: Cluster) -> None:
    with browser(cluster, "alice") as page, cluster.part("slapd").away():
        job = alice.submit_shell("true")
        with pytest.raises(Unavailable, match=r"directory|ldap"):
            Client.login(cluster.url, "bob", cluster.password("bob"), str(cluster.ca))
        assert f"/jobs/{job.id}" in page("/jobs")
        assert wait(lambda: alice.job(job.id).state is not JobState.ACCEPTED, 30, pause=0.5)
        assert not alice.job(job.id).final
    wait(lambda: alice.job(job.id).state is JobState.RUNNING or alice.job(job.id).final, 10, pause=0.5)
    hurry(cluster)
    [job] = ended(alice, [job])
    check(cluster, [job])
    assert job.state is JobState.SUCCEEDED


def test_a_database_that_is_away_delays_and_loses_nothing(alice: Client, cluster: Cluster) -> None:
    running = alice.submit_shell("sleep 5")
    assert wait(lambda: alice.job(running.id).state is JobState.RUNNING, PATIENCE, pause=0.5)
    with ThreadPoolExecutor(1) as pool:
        with database_away(cluster):
            answer = pool.submit(submit_stubbornly, alice, "true", f"database-away-{RUN}")
            time.sleep(8)
            assert not answer.done()
        jobs = ended(alice, [running, answer.result(timeout=PATIENCE)])
    check(cluster, jobs)
    assert {job.state for job in jobs} == {JobState.SUCCEEDED}


# everything at once -----------------------------------------------------------------------------------
def test_a_storm_of_faults_loses_and_doubles_nothing(cluster: Cluster) -> None:
    """`./dev bench chaos` has a longer one, of any seed."""
    damage = rage(cluster, Storm(SEED, clients=20, jobs=JOBS, faults=FAULTS))
    told = f"seed {SEED}, faults {damage.faults}"
    assert (damage.lost, damage.doubled, damage.untrue) == ([], [], []), told
    assert damage.accepted == JOBS


RUN = f"{time.time():.0f}"
"""Keys of an earlier run in the same cluster are not ours."""
