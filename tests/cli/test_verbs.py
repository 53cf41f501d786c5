"""The other commands, against a portal behind real HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from sciserver_hpc.cli.cancel import cancel
from sciserver_hpc.cli.logs import logs
from sciserver_hpc.cli.main import sciserver
from sciserver_hpc.cli.queue import queue
from sciserver_hpc.cli.results import results
from sciserver_hpc.client import Client
from sciserver_hpc.domain.states import JobState
from tests.fakes.portal import NOW, PASSWORD, FakePortal


def run(command: click.Command, client: Client | None, *words: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(command, words, obj=client, input=stdin)
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def jobs(portal: FakePortal, client: Client) -> FakePortal:
    for name in ("first", "second é", "sweep"):
        client.submit_shell("true", name=name, array="0-3" if name == "sweep" else None)
    portal.change(12, state=JobState.RUNNING, started_at=NOW, node="n1")
    portal.change(13, state=JobState.PENDING, reason="Resources")
    portal.ends(11, JobState.FAILED, exit_code=1)
    return portal


def test_the_queue_shows_what_is_not_over(jobs: FakePortal, client: Client) -> None:
    lines = run(queue, client).stdout.splitlines()
    assert lines[0].split() == ["ID", "NAME", "KIND", "DOMAIN", "STATE", "TIME", "LIMIT", "NODE/REASON"]
    assert [line.split()[0] for line in lines[1:]] == ["13_[0-3]", "12"]
    assert lines[1].endswith("(Resources)")
    assert lines[2].endswith("n1")
    assert lines[1].index("PENDING") == lines[2].index("RUNNING")


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["--all"], [13, 12, 11]),
        (["--all", "-n", "1"], [13]),
        (["--state", "F,RUNNING"], [12, 11]),
        (["--all", "--name", "first"], [11]),
    ],
)
def test_the_queue_filtered(jobs: FakePortal, client: Client, words: list[str], ids: list[int]) -> None:
    assert [job["id"] for job in json.loads(run(queue, client, "--json", *words).stdout)] == ids


def test_an_unknown_state_is_told(client: Client) -> None:
    result = run(queue, client, "--state", "ASLEEP")
    assert result.exit_code == 2
    assert "'ASLEEP' is no state; there are ACCEPTED" in result.stderr


def test_cancel_goes_on_after_a_failure(jobs: FakePortal, client: Client) -> None:
    result = run(cancel, client, "11", "99", "12")
    assert result.exit_code == 1
    assert result.stdout == "Job 11 is over already: FAILED.\nJob 12 is being cancelled.\n"
    assert result.stderr == "sciserver-cancel: job 99: You have no job 99.\n"
    assert jobs.jobs[12].cancel_requested


def test_logs(jobs: FakePortal, client: Client) -> None:
    jobs.logs = {"stdout": b"one\ntwo\nthree\n", "stderr": b"oops\n"}
    assert run(logs, client, "12").stdout == "one\ntwo\nthree\n"
    assert run(logs, client, "-n", "2", "12").stdout == "two\nthree\n"
    assert run(logs, client, "--stderr", "12").stdout == "oops\n"
    assert json.loads(run(logs, client, "-n", "1", "--json", "12").stdout)["text"] == "three\n"


def test_logs_of_an_arrays_task(jobs: FakePortal, client: Client) -> None:
    jobs.logs |= {"stdout.3": b"three\n", "stdout.0": b"zero\n"}
    assert run(logs, client, "12_3").stdout == "three\n"
    assert run(logs, client, "-n", "1", "12_0").stdout == "zero\n"
    jobs.ends(12, JobState.SUCCEEDED)
    assert run(logs, client, "-f", "12_3").stdout == "three\n"


@pytest.mark.parametrize("text", ["0", "x", "12_", "12_x", "12_-1", "12_3_4", "1" * 19, "١٢", "12\n"])
def test_what_is_no_id_of_a_log_is_told(client: Client, text: str) -> None:
    result = run(logs, client, text)
    assert (result.exit_code, "write 12, or 12_3 for task 3" in result.stderr) == (2, True)


def test_logs_are_followed_to_the_end(jobs: FakePortal, client: Client) -> None:
    jobs.logs["stdout"] = b"early\n"

    def finish() -> None:
        jobs.logs["stdout"] += b"late\n"
        jobs.ends(12, JobState.SUCCEEDED, exit_code=0)

    jobs.next = [finish]
    assert run(logs, client, "-f", "12").stdout == "early\nlate\n"


def test_an_interrupt_while_following_leaves_the_job_alone(jobs: FakePortal, client: Client) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    jobs.next = [interrupt]
    result = run(logs, client, "-f", "12")
    assert (result.exit_code, "Job 12 goes on" in result.stderr) == (130, True)


def test_results(jobs: FakePortal, client: Client, home: Path) -> None:
    jobs.files = {"a.txt": b"42", "out": None, "out/b": b"1", "l": "link"}
    result = run(results, client, "11")
    assert result.stdout == "2 files of job 11 in job-11\n"
    assert "left out l: it is a symbolic link" in result.stderr
    assert (home / "job-11" / "out" / "b").read_bytes() == b"1"
    listed = run(results, client, "11", "--list").stdout
    assert [line.split()[-1] for line in listed.splitlines()] == ["NAME", "a.txt", "out/", "l@"]
    assert run(results, client, "11", "out/b", "--to", "x").exit_code == 0
    assert (home / "x" / "b").read_bytes() == b"1"
    assert json.loads(run(results, client, "11", "--json").stdout)["saved"] == [
        "job-11/a.txt",
        "job-11/out/b",
    ]


def test_results_of_one_name_do_not_overwrite_each_other(
    jobs: FakePortal, client: Client, home: Path
) -> None:
    result = run(results, client, "11", "a/x", "b/x")
    assert (result.exit_code, "several are called x" in result.stderr) == (2, True)
    assert list(home.iterdir()) == []


def test_results_that_cannot_be_written(jobs: FakePortal, client: Client, home: Path) -> None:
    jobs.files = {"a.txt": b"42"}
    (home / "job-11").write_text("in the way")
    result = run(results, client, "11")
    assert result.exit_code == 1
    assert "a file stands there" in result.stderr


def test_login_whoami_logout(portal: FakePortal) -> None:
    result = run(
        sciserver, None, "login", portal.url, "-u", "alice", "--password-stdin", stdin=f"{PASSWORD}\n"
    )
    assert result.stdout.startswith(f"Logged in to {portal.url} as alice.")
    assert "groups  astro" in run(sciserver, None, "whoami").stdout
    assert run(sciserver, None, "logout").stdout == "Logged out.\n"
    assert run(sciserver, None, "whoami").exit_code == 1


def test_login_asks_for_what_is_not_given_and_shows_no_password(portal: FakePortal) -> None:
    result = run(sciserver, None, "login", portal.url, stdin=f"alice\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert PASSWORD not in result.output


@pytest.mark.parametrize(
    ("password", "said"), [("guess", "User name or password is wrong."), ("too often", "Try again in 5 min.")]
)
def test_a_login_that_fails(portal: FakePortal, password: str, said: str) -> None:
    result = run(sciserver, None, "login", portal.url, "-u", "alice", "--password-stdin", stdin=password)
    assert (result.exit_code, said in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("domains", ["batch", "batch", "8", "4096M", "8:00:00", "-", "python"]),
        ("images", ["python", "1.0"]),
        ("volumes", ["Storage/alice/persistent", "user", "ro,", "rw", "mine"]),
    ],
)
def test_offers(client: Client, word: str, line: list[str]) -> None:
    assert run(sciserver, client, word).stdout.splitlines()[1].split() == line
    assert json.loads(run(sciserver, client, word, "--json").stdout)


def test_a_job_in_full_steers_no_terminal(jobs: FakePortal, client: Client) -> None:
    shown = run(sciserver, client, "job", "13").stdout
    assert shown.startswith("Accepted: it goes to Slurm")
    assert "array" in shown
    assert "\x1b" not in shown
    assert json.loads(run(sciserver, client, "job", "13", "--json").stdout)["events"]
    assert "#!/bin/bash" in run(sciserver, client, "job", "13", "--script").stdout


def test_a_tokens_secret_stands_alone_on_stdout(client: Client) -> None:
    assert run(sciserver, client, "tokens", "make", "x", "--scope", "jobs:read").stdout == "s3cret\n"
    assert "nightly" in run(sciserver, client, "tokens", "list").stdout
    assert run(sciserver, client, "tokens", "revoke", "7").stdout == "Token 7 is revoked.\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_for_every_program(shell: str) -> None:
    lines = run(sciserver, None, "completion", shell).stdout
    assert "_SCISERVER_SUBMIT_COMPLETE" in lines
    assert "sciserver-results" in lines
