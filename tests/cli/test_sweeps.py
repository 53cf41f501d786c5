"""Arrays and sweeps from the terminal, against the portal itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from sciserver_hpc.cli.main import sciserver
from sciserver_hpc.cli.results import results
from sciserver_hpc.cli.submit import submit
from sciserver_hpc.client import Client
from sciserver_hpc.domain.jobs import Usage
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tasks import Task
from tests.fakes.portal import listening
from tests.portal.house import PASSWORD, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def alice(house: House) -> Iterator[Client]:
    with listening(house.app) as url, Client.login(url, "alice", PASSWORD) as client:
        yield client


def run(command: click.Command, client: Client, *words: str) -> Result:
    return CliRunner().invoke(command, words, obj=client)


def said(done: Result) -> str:
    """What the command printed; the portal, which runs in this process, writes its log there too."""
    return "".join(line for line in done.stdout.splitlines(keepends=True) if "[info " not in line)


def swept(client: Client, *words: str) -> int:
    done = run(submit, client, "--parsable", *words, "--wrap", "./fit")
    assert done.exit_code == 0, done.output
    return int(said(done))


def test_a_table_and_a_grid(alice: Client, home: Path) -> None:
    table = home / "table.csv"
    table.write_text("n,word\n1,a b\n2,\n")
    number = swept(alice, "--sweep", str(table), "--at-once", "1")
    assert [row.parameters for row in alice.table(number)] == [{"n": 1, "word": "a b"}, {"n": 2}]
    assert alice.job(number).array == "0-1%1"
    number = swept(alice, "--grid", "n=1,2", "--grid", 'word=["x,y"]')
    assert [row.parameters for row in alice.table(number)] == [
        {"n": 1, "word": "x,y"},
        {"n": 2, "word": "x,y"},
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sweep", "none.csv"], "none.csv: it cannot be read"),
        (["--sweep", "bad.csv"], "--sweep: line 2 of the table has 2 cells"),
        (["--grid", "n"], "--grid: 'n' is no part of a grid"),
        (["--grid", "n=1", "--sweep", "bad.csv"], "not both"),
        (["--at-once", "2"], "--at-once: it is for --sweep and --grid"),
        (["--grid", "n=1", "-a", "0-1"], "an array by itself"),
    ],
)
def test_what_is_no_sweep_is_told(alice: Client, home: Path, words: list[str], told: str) -> None:
    (home / "bad.csv").write_text("n\n1,2\n")
    words = [str(home / word) if word.endswith(".csv") else word for word in words]
    done = run(submit, alice, *words, "--wrap", "true")
    assert (done.exit_code, told in done.stderr) == (2, True), done.stderr


def test_tasks_retry_and_table(house: House, alice: Client) -> None:
    number = swept(alice, "--grid", "n=1,2,3")
    ends = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
    tasks = [Task(index=i, state=end, node="n1", exit_code=i, elapsed_s=61) for i, end in enumerate(ends)]
    house.store.keep_tasks([(number, tasks)])
    house.write(number, "result.0.json", json.dumps({"area": 2.5}).encode())
    house.move(number, JobState.FAILED, ended_at=house.clock.now(), usage=Usage())
    lines = said(run(sciserver, alice, "tasks", str(number))).splitlines()
    assert [line.split()[:5] for line in lines[1:]] == [
        ["0", "SUCCEEDED", "0", "1:01", "n1"],
        ["1", "FAILED", "1", "1:01", "n1"],
        ["2", "CANCELLED", "2", "1:01", "n1"],
    ]
    failed = run(sciserver, alice, "tasks", str(number), "--state", "F", "--json")
    assert [task["index"] for task in json.loads(said(failed))] == [1]
    table = said(run(results, alice, str(number), "--table")).splitlines()
    assert table[:2] == [
        "task,state,exit_code,elapsed_s,parameters.n,result.area,problem",
        "0,SUCCEEDED,0,61,1,2.5,",
    ]
    again = run(sciserver, alice, "retry", str(number))
    assert said(again) == f"Job {number + 1} runs tasks 1 of job {number} again.\n"
    both = run(sciserver, alice, "retry", str(number), "--cancelled", "--json")
    assert json.loads(said(both))["array"] == "1-2"
    refused = run(sciserver, alice, "retry", str(number + 1))
    assert (refused.exit_code, "is not over" in refused.stderr) == (1, True)
