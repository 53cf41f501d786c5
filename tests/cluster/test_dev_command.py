"""`./dev` itself, on a second cluster: a step that fails, a demo that comes again, an end that leaves
nothing.

Outside this cluster's mount namespace, as a person runs it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.devcluster.mounts import CHECKOUT
from sciserver_hpc.devcluster.namespace import Namespace
from sciserver_hpc.devcluster.processes import Process, wait
from sciserver_hpc.devcluster.state import State

pytestmark = pytest.mark.cluster

STATE = Path("/var/lib/sciserver-hpc-dev-second")
ANSWER = re.compile(r"^Answer: +ANSWER period_years=1[01]\.\d+$", re.MULTILINE)
SLEEP = "sleep 86399"
"""A job that nothing but an end from outside ends."""


def dev(*words: str) -> subprocess.CompletedProcess[str]:
    """`./dev WORDS` in the mount namespace from which the tests were started."""
    outside = ["nsenter", f"--target={os.getppid()}", "--mount", "--", "env", f"--chdir={CHECKOUT}"]
    return subprocess.run(
        [*outside, f"SCISERVER_DEV_STATE={STATE}", "./dev", *words],
        capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=300, check=False,
    )  # fmt: skip


def done(*words: str) -> str:
    ended = dev(*words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def images() -> set[tuple[str, int]]:
    cache = Path(os.environ.get("SCISERVER_DEV_CACHE", "/var/cache/sciserver-hpc"))
    return {(str(path), path.stat().st_mtime_ns) for path in cache.glob("images/**/*.sif")}


@pytest.fixture(scope="module")
def second() -> Iterator[State]:
    """A state directory of its own, with nothing in it."""
    done("clean")
    yield State(STATE)
    done("clean")


def test_a_step_that_fails_is_named_with_a_way_on_and_the_rest_is_kept(second: State) -> None:
    second.make()
    obstacle = second.etc / "nginx.conf"
    obstacle.mkdir()
    failed = dev("demo")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert f"dev: nginx failed: Is a directory: {obstacle.with_name('.nginx.conf.new')}" in failed.stderr
    assert "what to do: " in failed.stderr
    assert "Traceback" not in failed.stderr
    kept = {name: one.pid for name, one in Namespace(second).records.live().items()}
    assert {"slurmctld", "slapd", "portal", "broker"} <= set(kept)

    obstacle.rmdir()
    assert ANSWER.search(done("demo"))
    assert kept.items() <= {name: one.pid for name, one in Namespace(second).records.live().items()}.items()


def test_a_second_demo_starts_and_builds_nothing(second: State) -> None:
    done("demo")
    running, built = {one.pid for one in Namespace(second).records.live().values()}, images()
    again = done("demo")
    assert ANSWER.search(again)
    assert " answers" not in again
    assert {one.pid for one in Namespace(second).records.live().values()} == running
    assert images() == built


def test_down_ends_jobs_and_every_process_it_started(second: State) -> None:
    done("up")
    done("exec", "alice", "sbatch", "--chdir=/tmp", "--output=/dev/null", "--wrap", SLEEP)
    inside: list[Process] = []

    def runs() -> bool:
        inside[:] = Namespace(second).members()
        return any(SLEEP in command(one) for one in inside)

    assert wait(runs, 60, pause=0.2), done("exec", "root", "squeue")
    done("down")
    assert [command(one) for one in inside if one.alive] == []
    assert Namespace(second).records.live() == {}


def command(one: Process) -> str:
    try:
        return Path(f"/proc/{one.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
