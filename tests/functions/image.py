"""What an image does with a job's script: run it in the job folder, under the variables of the wrapper."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def start(
    script: str, folder: Path, job: int = 17, task: int | None = None, **more: str
) -> subprocess.Popen[str]:
    """The running script, in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "function.py").write_text(script)
    env = {"PATH": os.environ["PATH"], "SCISERVER_JOB_ID": str(job)} | more
    if task is not None:
        env["SLURM_ARRAY_TASK_ID"] = str(task)
    argv = [sys.executable, str(folder / "function.py")]
    return subprocess.Popen(
        argv, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(script: str, folder: Path, job: int = 17, task: int | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    with start(script, folder, job, task) as process:
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err


def left(folder: Path) -> list[str]:
    """Names of what the runner left."""
    return sorted(path.name for path in (folder / "functions").iterdir())
