"""Local jobs: run, watched, limited, cancelled, survived by the agent."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.agent.localdir import is_alive, read_fact, this_process
from sciserver_hpc.agent.sbatch_options import TASKS_MAX, Options, array_tasks, expand, limit_seconds
from sciserver_hpc.agents import SocketAgents
from sciserver_hpc.domain.scheduling import Owner, Sighting, Submission, Verdict
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.ports import Agent

from .conftest import make_job
from .test_lives import pid_of, until


@pytest.fixture
def agent(agents: SocketAgents, me: Owner) -> Iterator[Agent]:
    """Whose jobs end with the test."""
    found = agents.of(me)
    yield found
    found.local_cancel([sighting.slurm_id for sighting in found.local_observe()])


def run(agent: Agent, *jobs: Submission) -> list[int]:
    outcomes = agent.local_submit(jobs)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    return [outcome.slurm_id for outcome in outcomes if outcome.slurm_id]


def seen(agent: Agent, number: int) -> Sighting:
    return {sighting.slurm_id: sighting for sighting in agent.local_observe()}[number]


def ended(agent: Agent, number: int) -> Sighting:
    def over() -> bool:
        state = seen(agent, number).state
        return state is not None and state.final

    until(over)
    return seen(agent, number)


def job(root: Path, body: str, *options: str) -> Submission:
    made = make_job(root, script=f"#!/bin/sh\n{body}\n")
    more = (*options, f"--output={root}/{made.folder}/out.txt")
    return made.model_copy(update={"options": (*made.options, *more)})


def test_a_job_runs_in_its_folder_with_slurms_variables(agent: Agent, root: Path, me: Owner) -> None:
    made = job(root, "pwd; echo $SLURM_JOB_ID $SLURM_JOB_UID $SLURM_JOB_NAME; echo oops >&2; env > env")
    [number] = run(agent, made)
    end = ended(agent, number)
    assert (end.state, end.exit_code, end.uuid, end.uid) == (JobState.SUCCEEDED, 0, made.uuid, me.uid)
    lines = (root / made.folder / "out.txt").read_text().splitlines()
    assert lines == [f"{root}/{made.folder}", f"{number} {me.uid} {made.mark}", "oops"]
    assert "SUDO_UID" not in (root / made.folder / "env").read_text()


def test_exit_codes_and_signals(agent: Agent, root: Path) -> None:
    [failing] = run(agent, job(root, "exit 3"))
    [killed] = run(agent, job(root, "kill -9 $$"))
    assert (ended(agent, failing).state, ended(agent, failing).exit_code) == (JobState.FAILED, 3)
    assert (ended(agent, killed).state, ended(agent, killed).signal) == (JobState.FAILED, signal.SIGKILL)


def test_the_time_limit(agent: Agent, root: Path) -> None:
    [number] = run(agent, job(root, "exec sleep 600", "--time=0:01"))
    assert ended(agent, number).state is JobState.TIMEOUT


def test_a_script_that_cannot_start_has_failed(agent: Agent, root: Path) -> None:
    made = make_job(root, script="#!/no/such/interpreter\n")
    [number] = run(agent, made)
    end = ended(agent, number)
    assert (end.state, end.exit_code) == (JobState.FAILED, 1)
    assert "No such file" in end.reason


def test_jobs_wait_for_a_slot(agent: Agent, root: Path) -> None:
    numbers = run(agent, *(job(root, "while [ ! -e go ]; do sleep 0.05; done") for _ in range(3)))
    until(lambda: seen(agent, numbers[1]).state is JobState.RUNNING)
    assert (seen(agent, numbers[2]).state, seen(agent, numbers[2]).reason) == (JobState.PENDING, "Resources")
    for folder in root.glob("*/*"):
        (folder / "go").touch()
    assert [ended(agent, number).state for number in numbers] == [JobState.SUCCEEDED] * 3


def test_cancel_running_and_waiting(agent: Agent, root: Path, me: Owner) -> None:
    numbers = run(agent, *(job(root, "sleep 600") for _ in range(3)))
    until(lambda: seen(agent, numbers[0]).state is JobState.RUNNING)
    agent.local_cancel([*numbers, 12345])
    for number in numbers:
        assert (ended(agent, number).state, ended(agent, number).cancelled_by) == (JobState.CANCELLED, me.uid)


def test_a_trap_gets_its_chance_at_cancel(agent: Agent, root: Path) -> None:
    made = job(root, "trap 'echo bye > trapped; exit 0' TERM; touch ready; while :; do sleep 0.05; done")
    [number] = run(agent, made)
    until((root / made.folder / "ready").exists)
    agent.local_cancel([number])
    assert ended(agent, number).state is JobState.CANCELLED
    assert (root / made.folder / "trapped").read_text() == "bye\n"


def test_jobs_survive_the_agent(agents: SocketAgents, agent: Agent, me: Owner, root: Path) -> None:
    made = job(root, "while [ ! -e go ]; do sleep 0.05; done; exit 4")
    [number] = run(agent, made)
    until(lambda: seen(agent, number).state is JobState.RUNNING)
    os.kill(pid_of(agents, me), signal.SIGKILL)
    assert seen(agent, number).state is JobState.RUNNING
    (root / made.folder / "go").touch()
    assert ended(agent, number).exit_code == 4


def test_a_killed_supervisor_is_a_failed_node_not_a_success(agent: Agent, root: Path, place: Path) -> None:
    [number] = run(agent, job(root, "exec sleep 600"))
    folder = str(place / "local" / str(number))
    until(lambda: read_fact(folder, "child.json") is not None)
    supervisor, child = read_fact(folder, "started.json"), read_fact(folder, "child.json")
    assert supervisor is not None
    assert child is not None
    os.kill(int(str(supervisor["pid"])), signal.SIGKILL)
    until(lambda: not is_alive(supervisor))
    assert seen(agent, number).state is JobState.RUNNING  # what it started is still there
    agent.local_cancel([number])
    until(lambda: not is_alive(child))
    assert ended(agent, number).state is JobState.NODE_FAIL


def test_array_tasks(agent: Agent, root: Path) -> None:
    made = job(root, "echo $SLURM_ARRAY_JOB_ID; [ $SLURM_ARRAY_TASK_ID != 3 ]", "--array=1-3")
    made = made.model_copy(update={"options": (*made.options, f"--output={root}/{made.folder}/out-%a.txt")})
    [number] = run(agent, made)
    end = ended(agent, number)
    assert end.state is JobState.FAILED
    assert end.tasks == {"SUCCEEDED": 2, "FAILED": 1}
    assert [(task.index, task.state.value, task.exit_code) for task in end.known] == [
        (1, "SUCCEEDED", 0),
        (2, "SUCCEEDED", 0),
        (3, "FAILED", 1),
    ]
    assert all(task.measured for task in end.known)
    outputs = sorted((root / made.folder).glob("out-*.txt"))
    assert [path.name for path in outputs] == ["out-1.txt", "out-2.txt", "out-3.txt"]
    assert {path.read_text() for path in outputs} == {f"{number}\n"}


def test_dependencies(agent: Agent, root: Path) -> None:
    [good] = run(agent, job(root, "exit 0"))
    [bad] = run(agent, job(root, "exit 1"))
    [after_good] = run(agent, job(root, "exit 0", f"--dependency=afterok:{good}"))
    [after_bad] = run(agent, job(root, "exit 0", f"--dependency=afterok:{good}:{bad}"))
    [anyway] = run(agent, job(root, "exit 0", f"--dependency=afterany:{bad},afternotok:{bad}"))
    assert ended(agent, after_good).state is JobState.SUCCEEDED
    assert ended(agent, after_bad).state is JobState.CANCELLED
    assert ended(agent, after_bad).reason == "DependencyNeverSatisfied"
    assert ended(agent, anyway).state is JobState.SUCCEEDED


def test_old_ends_are_forgotten_and_their_numbers_not_used_again(
    agent: Agent, root: Path, place: Path
) -> None:
    [number] = run(agent, job(root, "exit 0"))
    ended(agent, number)
    (place / "local" / str(number) / "end.json").write_text('{"state": "SUCCEEDED", "ended": 1.0}')
    assert agent.local_observe() == []
    assert run(agent, job(root, "exit 0")) == [number + 1]


def test_a_directory_left_of_a_job_that_could_not_be_kept_is_no_job(
    agent: Agent, root: Path, place: Path
) -> None:
    [number] = run(agent, job(root, "exit 0"))
    (place / "local" / str(number + 1)).mkdir(mode=0o700)
    assert [sighting.slurm_id for sighting in agent.local_observe()] == [number]
    assert run(agent, job(root, "exit 0")) == [number + 2]


def test_a_process_is_told_from_a_later_one_of_its_number() -> None:
    own = this_process(os.getpid())
    assert own is not None
    assert is_alive(own)
    assert not is_alive(own | {"start": 1})
    assert not is_alive(own | {"boot": "another"})
    assert not is_alive(None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 300),
        ("5:30", 330),
        ("1:00:00", 3600),
        ("1-0", 86400),
        ("1-2:30", 95400),
        ("x", None),
        ("", None),
    ],
)
def test_time_limits(text: str, seconds: float | None) -> None:
    assert limit_seconds(text) == seconds


def test_array_forms() -> None:
    assert array_tasks("0-3,7,10-20:5%2") == [0, 1, 2, 3, 7, 10, 15, 20]
    assert array_tasks("") == []


@given(st.text(max_size=40))
def test_any_text_is_taken_for_options_without_harm(text: str) -> None:
    options = Options([f"--array={text}", f"--time={text}", f"--dependency={text}"])
    assert options.seconds > 0 or "0" in text
    assert len(options.tasks) <= TASKS_MAX
    assert all(number >= 0 for _, number in options.dependencies)


def test_patterns() -> None:
    assert expand("/x/%x-%A_%a.%j.%%.%q", 12, 3, "n") == "/x/n-12_3.12.%.%q"
