"""/opt/startup.sh: SciServer's contract of an image."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sciserver_hpc.devcluster.images import CONTAINERS


def startup(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    search = f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]
    return subprocess.run(
        [str(CONTAINERS / "startup.sh"), *arguments],
        env={"PATH": search}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_a_command_file_runs_in_its_directory_and_its_exit_code_is_the_result(tmp_path: Path) -> None:
    (tmp_path / "command.txt").write_text("echo out; echo err >&2; pwd; exit 7\n")
    (tmp_path / "stdout.txt").write_text("before\n")
    done = startup("--job", "--cwd", str(tmp_path), "--cmdfile", "command.txt")
    assert done.returncode == 7
    assert (tmp_path / "stdout.txt").read_text() == f"before\nout\n{tmp_path}\n"
    assert (tmp_path / "stderr.txt").read_text() == "err\n"


def test_a_notebook_is_executed_in_place(tmp_path: Path) -> None:
    program = tmp_path / "papermill"
    program.write_text('#!/bin/sh\necho "$@"\nexit 1\n')
    program.chmod(0o755)
    done = startup("--job", "--cwd", str(tmp_path), "--notebook", "a b.ipynb", path=tmp_path)
    assert done.returncode == 1
    assert (tmp_path / "stdout.txt").read_text() == "a b.ipynb a b.ipynb\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--job",), "needs --cmdfile or --notebook"),
        (("--privileged",), "unknown option --privileged"),
        (("--job", "--cwd"), "--cwd needs a value"),
    ],
)
def test_a_wrong_call_is_told(arguments: tuple[str, ...], said: str) -> None:
    done = startup(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_missing_directory_ends_with_97(tmp_path: Path) -> None:
    assert startup("--job", "--cwd", str(tmp_path / "gone"), "--cmdfile", "x").returncode == 97
