"""The blocks the documents show run as they stand, as alice, in a folder of hers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sciserver_hpc.devcluster import commands, settings
from sciserver_hpc.devcluster.namespace import Command

from ..docs.pages import PAGES, Fence, fences, name
from .conftest import Cluster

SHELLS = {"terminal": ["bash", "-eu", "-o", "pipefail", "-c"], "python": [sys.executable, "-c"]}
PATIENCE = 600


def blocks(page: Path) -> list[Fence]:
    return [fence for fence in fences(page) if fence.run]


PAGES_THAT_RUN = [page for page in PAGES if blocks(page)]


@pytest.fixture
def folder(cluster: Cluster) -> Path:
    """A new folder in alice's home."""
    made = cluster.state.shared / "home" / "alice" / f"readme-{os.getpid()}-{os.urandom(4).hex()}"
    run(cluster, ["mkdir", str(made)], Path("/"))
    return made


def run(cluster: Cluster, argv: list[str], folder: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    state = cluster.state
    env = commands.environment(state) | {
        "PATH": f"{state.root / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(state.shared / "home" / "alice"), "SCISERVER_DEV_STATE": str(state.root),
        "SCISERVER_URL": settings.url(state), "SCISERVER_CA": str(cluster.ca),
    }  # fmt: skip
    command = Command(argv, user="alice", directory=str(folder), env=env)
    return cluster.namespace.run(command, text=text, timeout=PATIENCE)


@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=name)
def test_what_a_page_shows_runs(cluster: Cluster, folder: Path, page: Path) -> None:
    login = run(
        cluster, ["sciserver", "login", "-u", "alice", "--password-stdin"], folder, cluster.password("alice")
    )
    assert login.returncode == 0, login.stderr
    for fence in blocks(page):
        done = run(cluster, [*SHELLS[fence.run], fence.text], folder)
        assert done.returncode == 0, f"{fence.text}\n{done.stdout}\n{done.stderr}"
        assert done.stdout
