"""Services beside a session's app, in the wrapper: really executed, with stubs that do as each test says."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from time import sleep

import pytest

from sciserver_hpc.domain.scheduling import Submission

from .nodes import end_of, folder_of
from .session_node import STAY, SessionNode, lives, with_word
from .test_wrapper import wait_for

READY = f"ready; {STAY}"


@pytest.fixture
def node(tmp_path: Path) -> SessionNode:
    """With two services that stay."""
    made = SessionNode(tmp_path / "node")
    made.service("database", READY)
    made.service("cache", READY)
    return made


def session(node: SessionNode, **around: str) -> Submission:
    return node.session(services=("database", "cache"), **around)


def begun(node: SessionNode) -> list[str]:
    file = node.notes / "begun"
    return file.read_text().split() if file.exists() else []


def left_nothing(node: SessionNode) -> None:
    for file in node.notes.glob("*.pid"):
        assert not lives(node.pid(file.stem)), f"the {file.stem} is left"
    assert list(node.tmp.iterdir()) == []
    assert with_word(node.base, "apptainer") == []


def ended(node: SessionNode, job: Submission) -> tuple[int, int, str, str]:
    """The wrapper's own code, its record's code, cause and message."""
    code, _ = node.run(job)
    left_nothing(node)
    end = end_of(job)
    return code, end.exit_code, end.cause, end.message


# starting -------------------------------------------------------------------------------------------
def test_they_begin_one_after_another_and_the_app_last(node: SessionNode) -> None:
    node.service("database", f"sleep 0.4; echo here >>{node.notes}/begun; {READY}")
    node.app("sleep 0.2")
    assert ended(node, session(node)) == (0, 0, "", "")
    assert begun(node) == ["database", "here", "cache", "app"]


def test_each_runs_in_its_own_image_with_what_the_app_sees_and_no_network(node: SessionNode) -> None:
    node.app("sleep 0.2")
    job = session(node)
    ended(node, job)
    argv = (node.notes / "database.argv").read_text().split("\0")[:-1]
    image = argv.index(str(node.base / "database.sif"))
    script = f"/home/idies/workspace/Temporary/alice/jobs/{job.folder}/.sciserver/service.database.sh"
    assert argv[image:] == [str(node.base / "database.sif"), "/bin/bash", script]
    assert argv[:image] == node.argv()[: node.argv().index(str(node.image))]
    before = (node.notes / "unshare").read_text().splitlines()
    assert len(before) == 2 and all(line.startswith("--user --map-current-user --net -- ") for line in before)


def test_a_script_knows_where_to_meet_and_the_apps_values_and_no_secret(node: SessionNode) -> None:
    job = session(node)
    (script,) = (file.text for file in job.files if file.path == ".sciserver/service.cache.sh")
    assert script.splitlines() == [
        "#!/bin/bash",
        "readonly app_folder=/home/idies/.session",
        "readonly service_ready=/home/idies/.session/cache.ready",
        "run cache",
    ]


def test_what_one_says_stands_in_a_log_of_its_own(node: SessionNode) -> None:
    node.service("cache", f"echo out; echo err >&2; {READY}")
    node.app("sleep 0.2")
    job = session(node)
    ended(node, job)
    assert (folder_of(job) / "service.cache.txt").read_text() == "out\nerr\n"


def test_provenance_names_their_images(node: SessionNode) -> None:
    node.app("exit 0")
    job = session(node)
    node.run(job)
    told = json.loads((folder_of(job) / "provenance.json").read_text())["app"]["services"]
    assert told["cache"] == {"name": "database", "version": "1", "sha256": node.image_of("cache").sha256}


# an image that is another one -------------------------------------------------------------------------
def test_nothing_runs_with_an_image_that_changed(node: SessionNode) -> None:
    job = session(node)
    (node.base / "cache.sif").write_bytes(b"another")
    code, recorded, cause, message = ended(node, job)
    assert (code, recorded, cause) == (95, 95, "image_changed")
    assert message.startswith("The file of image database 1 is missing, or differs")
    assert begun(node) == []


def test_verify_always_looks_at_theirs_too(node: SessionNode) -> None:
    job = session(node, verify="always")
    file = node.base / "cache.sif"
    before = file.stat()
    file.write_bytes(b"OF cache")
    os.utime(file, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert ended(node, job)[2] == "image_changed"


# ends ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", [0, 3])
def test_one_that_never_was_ready_is_named_and_nothing_else_begins(node: SessionNode, code: int) -> None:
    node.service("database", f"sleep 0.2; exit {code}")
    words = f"Service database ended with code {code} before it was ready; service.database.txt says more."
    assert ended(node, session(node)) == (93, 93, "service", words)
    assert begun(node) == ["database"]


def test_one_that_goes_on_but_is_not_ready_in_time_is_named(node: SessionNode) -> None:
    node.service("cache", STAY)
    node.gate("sleep 0.8; exit 13")
    words = "Its service cache was not ready in time."
    assert ended(node, session(node)) == (93, 93, "not_ready", words)
    assert begun(node) == ["database", "cache"]


@pytest.mark.parametrize("name", ["database", "cache"])
def test_one_that_ends_later_ends_the_session_and_is_named(node: SessionNode, name: str) -> None:
    node.service(name, f"ready; until [[ -e {node.notes}/app.pid ]]; do sleep 0.02; done; exit 7")
    words = f"Service {name} ended with code 7; service.{name}.txt says more."
    assert ended(node, session(node)) == (93, 93, "service", words)
    assert begun(node) == ["database", "cache", "app"]


def test_a_killed_one_is_named(node: SessionNode) -> None:
    node.service("cache", "ready; sleep 0.3; kill -9 $$")
    assert ended(node, session(node))[2:] == (
        "service", "Service cache ended with code 137; service.cache.txt says more."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "recorded", "cause"),
    [(10, 0, "stopped"), (11, 0, "idle"), (12, 0, "time"), (13, 93, "not_ready"), (14, 93, "app_gone")],
)
def test_the_gates_word_ends_all(node: SessionNode, code: int, recorded: int, cause: str) -> None:
    node.gate(f"until [[ -e {node.notes}/app.pid ]]; do sleep 0.02; done; sleep 0.2; exit {code}")
    assert ended(node, session(node)) == (recorded, recorded, cause, "")


def test_the_last_one_ends_first_and_after_the_app(node: SessionNode) -> None:
    for name in ("database", "cache"):
        node.service(name, f"trap 'echo {name} >>{node.notes}/over; exit' TERM; {READY}")
    node.app(f"trap 'sleep 0.2; echo app >>{node.notes}/over; exit' TERM; {STAY}")
    node.gate(f"until [[ -e {node.notes}/app.pid ]]; do sleep 0.02; done; sleep 0.2; exit 10")
    assert ended(node, session(node))[2] == "stopped"
    assert (node.notes / "over").read_text().split() == ["app", "cache", "database"]


def test_the_apps_own_code_counts_and_ends_them(node: SessionNode) -> None:
    node.app("sleep 0.2; exit 5")
    assert ended(node, session(node)) == (5, 5, "", "")


@pytest.mark.parametrize("until", ["database", "app"])
def test_term_ends_all_at_once_whatever_has_begun(node: SessionNode, until: str) -> None:
    if until == "database":
        node.service("database", STAY)
    node.gate(f"trap 'exit 10' TERM; {STAY}")
    job = session(node)
    with node.start(job) as process:
        wait_for(node.notes / f"{until}.pid")
        wait_for(node.notes / "gate.pid")
        sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    left_nothing(node)
    assert (process.returncode, end_of(job).cause) == (0, "stopped")


def test_one_that_ignores_term_is_killed(node: SessionNode) -> None:
    node.service("cache", f"trap '' TERM; {READY}")
    node.app("sleep 0.2")
    assert ended(node, session(node)) == (0, 0, "", "")
