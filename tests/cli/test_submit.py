"""sciserver-submit, from argv to the request and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sciserver_hpc.cli.submit import submit
from sciserver_hpc.client import Client
from sciserver_hpc.domain.jobs import Kind
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState
from tests.fakes.portal import FakePortal

NOTEBOOK = '{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'


def run(client: Client | None, *words: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(submit, words, obj=client, input=stdin)


@pytest.fixture
def script(home: Path) -> Path:
    path = home / "job.sh"
    path.write_text("#!/bin/bash\n#SBATCH -t 10 --mem=1G\n#SBATCH --mail-type=END\necho hello\n")
    return path


def test_a_script_with_headers_options_and_arguments(
    portal: FakePortal, client: Client, script: Path
) -> None:
    result = run(client, "-c", "4", "-t", "1:00:00", str(script), "--seed", "-t", "1")
    assert result.exit_code == 0, result.output
    asked = portal.requests[0]
    assert asked.kind is Kind.SCRIPT
    assert asked.arguments == ("--seed", "-t", "1")
    assert asked.resources == Resources(cpus=4, memory_mb=1024, time_limit_s=3600)
    assert (asked.name, asked.filename) == ("job.sh", "job.sh")
    assert result.stdout == (
        "Submitted job 11 to domain batch, image python 1.0.\n"
        "Results:  /srv/Temporary/alice/jobs/2026-03-01/20260301-120000-11\n"
        "Follow:   sciserver-logs -f 11\n"
    )
    assert "warning: line 3: --mail-type has no meaning here" in result.stderr


def test_parsable_prints_the_id_alone(client: Client) -> None:
    assert run(client, "--parsable", "--wrap", "true").stdout == "11\n"


def test_a_script_on_standard_input(portal: FakePortal, client: Client) -> None:
    assert run(client, stdin="#!/bin/sh\n#SBATCH -J piped\ntrue\n").exit_code == 0
    assert (portal.requests[0].name, portal.requests[0].filename) == ("piped", "stdin")


@pytest.mark.parametrize("how", [["--notebook"], []])
def test_a_notebook(portal: FakePortal, client: Client, home: Path, how: list[str]) -> None:
    (home / "fit.ipynb").write_text(NOTEBOOK)
    assert run(client, "--param", "n=5", "--param", "s=a b", *how, str(home / "fit.ipynb")).exit_code == 0
    assert portal.requests[0].parameters == {"n": 5, "s": "a b"}
    assert portal.requests[0].kind is Kind.NOTEBOOK


def test_everything_wrong_is_told_at_once_with_its_option(client: Client) -> None:
    result = run(client, "-t", "soon", "--mem", "much", "-o", "a/b", "--wrap", "true")
    assert result.exit_code == 2
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == ["--time", "--mem", "--output"]
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--image", "nobody", "--wrap", "true"], 2, "--image: unknown image `nobody`"),
        (["--image", "secret", "--wrap", "true"], 1, "image secret: you have no grant"),
        (["-p", "gpu", "--wrap", "true"], 2, "--partition: no compute domain of yours has --partition=gpu"),
        (["none.sh"], 2, "none.sh: it cannot be read: No such file"),
        (["--wrap", "true", "job.sh"], 2, "SCRIPT: give one of wrap, script"),
        (["--wrap", "true", "--param", "a=1"], 2, "parameters are for notebook jobs"),
        (["--nodelist=n1", "--wrap", "true"], 2, "No such option"),
        (["--wrap", ""], 2, "command"),
    ],
)
def test_errors_are_sentences(client: Client, words: list[str], code: int, said: str) -> None:
    result = run(client, *words)
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"#!/bin/bash\r\ntrue\r\n", "dos2unix"),
        (b"\x7fELF\xff", "not UTF-8"),
        (b"#!/bin/sh\n#SBATCH --uid=0\n", "line 2: --uid cannot be used here: jobs run as you"),
        (b"echo no interpreter\n", "#!/bin/bash"),
        (b"#!/bin/sh\n" + b"#" * 8_000_000, "8 MB"),
        (b"#!/bin/sh\n" + b"#" * 5_000_000, "more than 1000000 characters"),
        (b"", "script: is empty"),
    ],
)
def test_scripts_that_cannot_run(portal: FakePortal, client: Client, text: bytes, said: str) -> None:
    result = run(client, stdin=text)
    assert result.exit_code == 2
    assert said in result.stderr
    assert portal.requests == []


def test_nobody_logged_in(client: Client) -> None:
    result = run(None, "--wrap", "true")
    assert result.exit_code == 1
    assert "sciserver login" in result.stderr


def test_a_portal_that_is_away_is_a_temporary_failure(portal: FakePortal, client: Client) -> None:
    portal.trouble = [503] * 9
    result = run(client, "--key", "k1", "--wrap", "true")
    assert result.exit_code == 75
    assert "submit it again with key k1" in result.stderr


def test_the_same_key_is_the_same_job(portal: FakePortal, client: Client) -> None:
    first, second = (run(client, "--parsable", "--key", "k", "--wrap", "true").stdout for _ in range(2))
    assert first == second == "11\n"


@pytest.mark.parametrize(
    ("state", "end", "code"),
    [
        (JobState.SUCCEEDED, {"exit_code": 0}, 0),
        (JobState.FAILED, {"exit_code": 3}, 3),
        (JobState.OUT_OF_MEMORY, {"exit_code": 0, "signal": 9}, 137),
        (JobState.CANCELLED, {"exit_code": 0}, 1),
        (JobState.LOST, {}, 1),
    ],
)
def test_waiting_ends_with_the_jobs_exit_code(
    portal: FakePortal, client: Client, state: JobState, end: dict[str, int], code: int
) -> None:
    portal.next = [lambda: portal.change(11, sentence="It ended."), lambda: portal.ends(11, state, **end)]
    result = run(client, "-W", "--wrap", "true")
    assert result.exit_code == code
    assert "Job 11: It ended." in result.stderr


def test_an_interrupt_leaves_the_job_alone_and_says_so(portal: FakePortal, client: Client) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    portal.next = [interrupt]
    result = run(client, "-W", "--wrap", "true")
    assert result.exit_code == 130
    assert "Job 11 goes on. Look at it with: sciserver job 11" in result.stderr
    assert not portal.jobs[11].cancel_requested


def test_dry_run_and_test_only_submit_nothing(portal: FakePortal, client: Client) -> None:
    shown = run(client, "--dry-run", "--wrap", "true").stdout
    assert "# sbatch --time=120\n#!/bin/bash\ntrue\n" in shown
    assert "to start" in run(client, "--test-only", "--wrap", "true").stdout
    assert portal.jobs == {}


def test_json(client: Client) -> None:
    assert json.loads(run(client, "--json", "--wrap", "true").stdout)["id"] == 11
    assert json.loads(run(client, "--json", "--test-only", "--wrap", "true").stdout)["message"]
    assert json.loads(run(client, "--json", "--dry-run", "--wrap", "true").stdout)["options"] == [
        "--time=120"
    ]


def test_json_and_wait_is_one_document_of_the_end(portal: FakePortal, client: Client) -> None:
    portal.next = [lambda: portal.ends(11, JobState.SUCCEEDED, exit_code=0)]
    assert json.loads(run(client, "--json", "-W", "--wrap", "true").stdout)["state"] == "SUCCEEDED"
