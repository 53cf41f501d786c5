"""A session in the wrapper: really executed, with a gate and an apptainer that do as each test says."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from sciserver_hpc.domain.scheduling import Submission

from .nodes import end_of, folder_of, mode_of
from .session_node import SECRET, STAY, SessionNode, lives, with_word
from .test_wrapper import wait_for

SAVED_THEN = 'echo save; until [[ -e "$dir/saved" ]]; do sleep 0.02; done; exit'
GATE = "dir=$2"
"""The stub's first line: `python3 -I -S gate.py SETTINGS DIRECTORY RECORD`, three of them shifted away."""


@pytest.fixture
def node(tmp_path: Path) -> SessionNode:
    return SessionNode(tmp_path / "node")


@contextmanager
def running(node: SessionNode, job: Submission, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Both are there; afterwards nothing is."""
    with node.start(job, **env) as process:
        wait_for(node.notes / "app.pid")
        wait_for(node.notes / "gate.pid")
        yield process
        process.communicate(timeout=60)
    left_nothing(node)


def left_nothing(node: SessionNode) -> None:
    for name in ("app", "gate"):
        if (node.notes / f"{name}.pid").exists():
            assert not lives(node.pid(name)), f"the {name} is left"
    assert list(node.tmp.iterdir()) == []
    assert with_word(node.base, "apptainer") == [], "a hook is left"


def ended(node: SessionNode, job: Submission) -> tuple[int, int, str]:
    """The wrapper's own code, its record's code and cause."""
    code, _ = node.run(job)
    left_nothing(node)
    end = end_of(job)
    return code, end.exit_code, end.cause


# who ends first ------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", [0, 1, 137])
def test_an_app_that_ends_takes_its_gate_along_and_its_code_counts(node: SessionNode, code: int) -> None:
    node.app(f"sleep 0.2; exit {code}")
    assert ended(node, node.session()) == (code, code, "")


@pytest.mark.parametrize(
    ("code", "recorded", "cause"),
    [
        (10, 0, "stopped"),
        (11, 0, "idle"),
        (12, 0, "time"),
        (13, 93, "not_ready"),
        (14, 93, "app_gone"),
        (15, 93, "gate"),
        (0, 93, "gate"),
        (1, 93, "gate"),
        (139, 93, "gate"),
    ],
)
def test_a_gate_that_ends_takes_its_app_along_and_says_why(
    node: SessionNode, code: int, recorded: int, cause: str
) -> None:
    node.gate(f"sleep 0.2; exit {code}")
    assert ended(node, node.session()) == (recorded, recorded, cause)


def test_a_gate_that_cannot_start_is_told_with_where_to_look(node: SessionNode) -> None:
    (node.programs / "python3").write_text("#!/nowhere/at/all\n")
    job = node.session()
    code, _ = node.run(job)
    left_nothing(node)
    end = end_of(job)
    assert (code, end.cause) == (93, "gate")
    assert ".sciserver/gate.log says more" in end.message
    assert (folder_of(job) / ".sciserver/gate.log").read_text()


def test_an_image_that_cannot_start_is_told_as_such(node: SessionNode) -> None:
    node.app("echo 'FATAL:   no squashfuse' >&2; exit 255")
    assert ended(node, node.session()) == (255, 255, "container")


def test_an_app_that_ignores_term_is_killed(node: SessionNode) -> None:
    node.app(f"trap '' TERM; {STAY}")
    node.gate("sleep 0.5; exit 10")
    began = monotonic()
    assert ended(node, node.session()) == (0, 0, "stopped")
    assert monotonic() - began >= 9, "it had its ten seconds"


def test_an_app_may_end_in_its_own_way(node: SessionNode) -> None:
    node.app(f"trap 'echo bye; exit 3' TERM; echo up; {STAY}")
    node.gate("sleep 0.5; exit 11")
    job = node.session()
    assert ended(node, job) == (0, 0, "idle")
    assert (folder_of(job) / "stdout.txt").read_text() == "up\nbye\n"


# signals -------------------------------------------------------------------------------------------
def test_usr1_is_the_gates_which_saves_and_leaves(node: SessionNode) -> None:
    node.gate(
        f"{GATE}; trap '{SAVED_THEN} 12' USR1; {STAY}".replace("dir=$2", f"dir=$(cat {node.notes}/dir)")
    )
    node.app(STAY, save="echo hook; pwd")
    _note_directory(node)
    job = node.session()
    with running(node, job) as process:
        sleep(0.3)
        process.send_signal(signal.SIGUSR1)
    assert (process.returncode, end_of(job).cause) == (0, "time")
    assert "hook" in (folder_of(job) / ".sciserver/save.log").read_text()


def _note_directory(node: SessionNode) -> None:
    """The stub shifts its arguments away; its directory is the fifth."""
    program = node.programs / "python3"
    text = program.read_text().replace("; shift 3", f'; printf %s "$5" >{node.notes}/dir')
    program.write_text(text)


def saving(node: SessionNode, code: int, hook: str) -> None:
    """A gate that is told to stop, asks for the hook, and waits for it at most a second."""
    wait = 'for ((n = 0; n < 50; n++)); do [[ -e "$dir/saved" ]] && break; sleep 0.02; done'
    node.gate(f"dir=$(cat {node.notes}/dir); sleep 0.3; echo save; {wait}; exit {code}")
    node.app(STAY, save=hook)
    _note_directory(node)


def test_the_save_hook_runs_in_the_image_before_the_app_ends(node: SessionNode) -> None:
    saving(node, 10, f"kill -0 $(cat {node.notes}/app.pid) && echo while it lives")
    job = node.session()
    assert ended(node, job) == (0, 0, "stopped")
    assert (folder_of(job) / ".sciserver/save.log").read_text() == "while it lives\n"


def test_an_app_without_a_hook_is_not_waited_for(node: SessionNode) -> None:
    saving(node, 10, "echo no")
    job = node.session(save=False)
    assert not (folder_of(job) / ".sciserver/save.sh").exists()
    assert ended(node, job) == (0, 0, "stopped")
    assert (folder_of(job) / ".sciserver/save.log").read_text() == ""


@pytest.mark.parametrize("hook", ["exit 1", "nonsense"])
def test_a_hook_that_fails_is_no_other_end(node: SessionNode, hook: str) -> None:
    saving(node, 12, hook)
    assert ended(node, node.session()) == (0, 0, "time")


def test_a_hook_that_never_ends_is_left_by_nobody(node: SessionNode) -> None:
    saving(node, 11, f"trap '' TERM; echo $$ >{node.notes}/hook.pid; {STAY}")
    assert ended(node, node.session()) == (0, 0, "idle")
    assert not lives(node.pid("hook"))


def test_term_ends_both_at_once(node: SessionNode) -> None:
    node.gate(f"trap 'exit 10' TERM; {STAY}")
    job = node.session()
    with running(node, job) as process:
        sleep(0.3)
        process.send_signal(signal.SIGTERM)
    assert (process.returncode, end_of(job).cause) == (0, "stopped")


def test_term_before_the_gate_can_heed_it_is_a_stop_too(node: SessionNode) -> None:
    job = node.session()
    with running(node, job) as process:
        sleep(0.3)
        process.send_signal(signal.SIGTERM)
    assert (process.returncode, end_of(job).cause) == (0, "stopped")


# asking the portal -----------------------------------------------------------------------------------
def test_ready_is_carried_to_the_portal(node: SessionNode) -> None:
    node._program("curl", f"printf '%s\\n' \"$@\" >>{node.notes}/curl; printf 'run\\n\\n'")
    node.gate("echo ready; sleep 1; exit 10")
    job = node.session(claim_url="https://portal")
    assert ended(node, job) == (0, 0, "stopped")
    asked = (node.notes / "curl").read_text()
    assert "https://portal/api/v1/sessions/ready" in asked
    assert "s3cret" not in asked


def test_a_portal_that_is_away_keeps_nobody(node: SessionNode) -> None:
    node._program("curl", "exit 7")
    node.gate("echo ready; echo what is this; sleep 0.3; exit 10")
    job = node.session(claim_url="https://portal")
    node.run(job)
    assert end_of(job).cause == "stopped"
    left_nothing(node)


# what it gets ----------------------------------------------------------------------------------------
def test_the_gate_is_run_apart_with_its_settings_directory_and_record(node: SessionNode) -> None:
    node.app("sleep 0.3")
    job = node.session()
    node.run(job)
    argv = (node.notes / "gate.argv").read_text().split("\0")[:-1]
    assert argv[:4] == ["-I", "-S", ".sciserver/gate.py", ".sciserver/gate.json"]
    assert argv[4].startswith(str(node.tmp)) and argv[4].endswith("/home/.session")
    assert argv[5] == ".sciserver/session.json"
    assert node.argv()[-2:] == ["/bin/bash", f"{_target(job)}/.sciserver/app.sh"]


def _target(job: Submission) -> str:
    return f"/home/idies/workspace/Temporary/alice/jobs/{job.folder}"


def test_no_secret_stands_in_arguments_or_environment(node: SessionNode) -> None:
    node.app("sleep 0.3")
    job = node.session()
    node.run(job)
    names = ("argv", "environment", "gate.argv", "gate.env")
    for text in [job.script, *job.options, *((node.notes / name).read_text() for name in names)]:
        assert SECRET not in text and "s3cret" not in text and "CERTIFICATE" not in text


def test_what_holds_a_secret_is_its_owners_alone(node: SessionNode) -> None:
    job = node.session()
    holding = {file.path for file in job.files if SECRET in file.text or "KEY" in file.text}
    assert holding == {".sciserver/app.secret", ".sciserver/gate.json", ".sciserver/gate.pem"}
    assert {file.mode for file in job.files} == {0o600}
    assert {mode_of(folder_of(job) / path) for path in holding} == {0o600}


def test_provenance_tells_of_the_session_and_its_end(node: SessionNode) -> None:
    node.gate("sleep 0.2; exit 11")
    job = node.session()
    node.run(job)
    record = json.loads((folder_of(job) / "provenance.json").read_text())
    assert (record["run"]["cause"], record["run"]["exit_code"]) == ("idle", 0)
