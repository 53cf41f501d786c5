"""Arrays and sweeps on the real cluster: each task's end is true, and only what failed runs again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.errors import Conflict
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tasks import Task
from sciserver_hpc.domain.views import JobView

from .conftest import Cluster
from .test_spine import notebook

PATIENCE = 240
SMALL = {"cpus": 1, "memory_mb": 200, "time_limit_s": 600}


@pytest.fixture
def alice(client_of: Callable[[str], Client]) -> Client:
    return client_of("alice")


def ended(client: Client, job: JobView) -> JobView:
    return client.wait(job.id, timeout=PATIENCE, poll=1)


def tasks_of(client: Client, job: JobView) -> dict[int, Task]:
    return {task.index: task for task in client.tasks(job.id)}


def test_each_task_ends_as_it_ended_and_what_failed_runs_again(alice: Client) -> None:
    """Tasks 1 and 3 fail at first (255 is what accounting shows as 127), 5 runs until it is cancelled, 6 to 9
    never begin."""
    command = """
case $SLURM_ARRAY_TASK_ID in
    1 | 3) [[ -e mended ]] || { echo "not yet" >&2; exit $((SLURM_ARRAY_TASK_ID == 1 ? 255 : 3)); } ;;
    5) sleep 600 ;;
esac
echo done $SLURM_ARRAY_TASK_ID
"""
    # The folder of the retry is another, so what mends it lies in a volume.
    marker = "/home/idies/workspace/Temporary/alice/jobs/mended"
    command = command.replace("-e mended", f"-e {marker}")
    alice.wait(alice.submit_shell(f"rm -f {marker}").id, timeout=PATIENCE, poll=1)
    job = alice.submit_shell(command, name="mixed", array="0-9%1", resources=SMALL)
    assert wait(lambda: tasks_of(alice, job)[5].state is JobState.RUNNING, PATIENCE, pause=1)
    seen = tasks_of(alice, job)
    assert [seen[index].state for index in (0, 1, 6)] == [
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.PENDING,
    ]
    with pytest.raises(Conflict, match="is not over"):
        alice.retry(job.id)
    alice.cancel(job.id)
    job = ended(alice, job)
    assert job.state is JobState.CANCELLED, job.sentence
    over = tasks_of(alice, job)
    assert {i: (one.state.value, one.exit_code) for i, one in over.items() if i < 5} == {
        0: ("SUCCEEDED", 0),
        1: ("FAILED", 255),
        2: ("SUCCEEDED", 0),
        3: ("FAILED", 3),
        4: ("SUCCEEDED", 0),
    }
    assert {over[index].state for index in range(5, 10)} == {JobState.CANCELLED}
    assert [bool(over[index].node) for index in (4, 5, 6)] == [True, True, False]
    assert job.tasks == {"SUCCEEDED": 3, "FAILED": 2, "CANCELLED": 5}
    assert wait(lambda: alice.job(job.id).usage is not None, 60, pause=1)
    assert all(one.elapsed_s is not None for index, one in tasks_of(alice, job).items() if index < 6)

    ended(alice, alice.submit_shell(f"touch {marker}"))
    again = alice.retry(job.id, key="mend it")
    assert alice.retry(job.id, key="mend it").id == again.id
    assert (again.array, again.retry_of) == ("1,3%1", job.id)
    again = ended(alice, again)
    assert again.state is JobState.SUCCEEDED, again.sentence
    assert {index: one.state for index, one in tasks_of(alice, again).items()} == {
        1: JobState.SUCCEEDED,
        3: JobState.SUCCEEDED,
    }
    assert "done 3" in alice.log(again.id, task=3).text
    assert any(f"job {job.id}" in event.text for event in alice.events(again.id))
    assert any(f"job {again.id}" in event.text for event in alice.events(job.id))
    with pytest.raises(Conflict, match="failed"):
        alice.retry(again.id)


def test_a_broker_that_was_away_learns_how_each_task_ended(alice: Client, cluster: Cluster) -> None:
    job = alice.submit_shell("exit $SLURM_ARRAY_TASK_ID", array="0-3", resources=SMALL)
    assert wait(lambda: alice.job(job.id).slurm_id is not None, PATIENCE, pause=0.1)
    broker = cluster.part("broker")
    broker.kill()
    number = alice.job(job.id).slurm_id
    states = ["sacct", "-n", "-X", f"--jobs={number}", "--format=State"]
    assert wait(lambda: len(re.findall("FAILED|COMPLETED", cluster.root(*states))) == 4, PATIENCE, pause=1)
    broker.start()
    assert ended(alice, job).state is JobState.FAILED
    told = {index: (task.state.value, task.exit_code) for index, task in tasks_of(alice, job).items()}
    assert told == {0: ("SUCCEEDED", 0), 1: ("FAILED", 1), 2: ("FAILED", 2), 3: ("FAILED", 3)}


def test_a_sweep_of_a_script_gathers_a_table(alice: Client) -> None:
    script = """#!/usr/bin/env python3
import json, os
n, word = int(os.environ["PARAM_n"]), os.environ["PARAM_word"]
found = {"square": n * n, "word": word}
where = os.environ["SCISERVER_RESULT"]
if n == 3:
    os.symlink("/etc/passwd", where)
elif n == 4:
    os.mkfifo(where)
elif n == 5:
    open(where, "w").write("x" * 100_000)
else:
    json.dump(found, open(where, "w"))
"""
    words = ["$(id)", "it's", "a\nb", "é☀", "plain"]
    table = [{"n": n, "word": word} for n, word in enumerate(words, start=1)]
    job = alice.submit(
        kind="script", script=script, filename="square.py", sweep={"table": table}, resources=SMALL
    )
    job = ended(alice, job)
    assert job.state is JobState.SUCCEEDED, job.sentence
    rows = list(alice.table(job.id))
    assert [row.parameters for row in rows] == table
    assert [row.result for row in rows[:2]] == [
        {"square": 1, "word": "$(id)"},
        {"square": 4, "word": "it's"},
    ]
    assert [row.result for row in rows[2:]] == [{}, {}, {}]
    assert ["not a regular file" in row.problem for row in rows] == [False, False, True, True, False]
    assert "larger than" in rows[4].problem


def test_a_sweep_of_a_notebook_gathers_a_known_answer(alice: Client) -> None:
    """The sum of 1/k² up to n comes ever closer to π²/6."""
    text = json.loads(
        notebook(
            "n, shift = 1, 0",
            "import json, os\nfound = sum(1 / k**2 for k in range(1, n + 1)) + shift",
            "json.dump({'sum': found, 'n': n}, open(os.environ['SCISERVER_RESULT'], 'w'))",
        )
    )
    text["cells"][0]["metadata"]["tags"] = ["parameters"]
    job = alice.submit(
        kind="notebook",
        notebook=json.dumps(text),
        parameters={"shift": 1, "n": 7},
        sweep={"grid": {"n": [1, 2, 1000]}},
        resources=SMALL | {"memory_mb": 600},
    )
    job = ended(alice, job)
    assert job.state is JobState.SUCCEEDED, job.sentence
    rows = list(alice.table(job.id))
    assert [row.result["n"] for row in rows] == [1, 2, 1000]
    assert [row.result["sum"] for row in rows] == pytest.approx([2, 2.25, 2.643934566681559])
    assert [row.exit_code for row in rows] == [0, 0, 0]
