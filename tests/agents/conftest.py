"""A real agent of the user who runs the tests, and things to do with it."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from sciserver_hpc.agents import AgentOptions, SelfTransport, SocketAgents
from sciserver_hpc.domain.scheduling import Owner, Payload, Submission, mark

from .commands import Commands

MakeJob = Callable[..., Submission]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path: those of unix sockets are limited."""
    path = Path(tempfile.mkdtemp(prefix="sciserver-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def me() -> Owner:
    """Who runs the tests."""
    entry = pwd.getpwuid(os.getuid())
    return Owner(username=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


@pytest.fixture
def commands(place: Path) -> Commands:
    """sbatch and scancel."""
    return Commands(place / "bin")


@pytest.fixture
def options(place: Path, commands: Commands) -> AgentOptions:
    """Anybody may run these tests, root too."""
    return AgentOptions(
        min_uid=0,
        bin_dir=str(commands.directory),
        parallel=1,
        timeout_s=10,
        local_dir=str(place / "local"),
        local_slots=2,
    )


@pytest.fixture
def agents(place: Path, options: AgentOptions) -> Iterator[SocketAgents]:
    """Real agents, of ourselves."""
    found = SocketAgents(place / "run", SelfTransport(), options)
    yield found
    found.close()


@pytest.fixture
def root(place: Path) -> Path:
    """A volume of ours."""
    path = place / "volume"
    path.mkdir()
    return path


def make_job(root: Path | str, script: str = "#!/bin/sh\nexit 0\n", **fields: object) -> Submission:
    """A submission into a folder of its own."""
    uuid = str(fields.pop("uuid", uuid4().hex))
    folder = str(fields.pop("folder", f"2026-01-15/{uuid[:8]}"))
    return Submission.model_validate(
        {
            "uuid": uuid,
            "mark": mark("job", uuid),
            "root": str(root),
            "folder": folder,
            "files": (
                Payload(path="command.txt", text="echo hello\n"),
                Payload(path=".sciserver/x", text="s"),
            ),
            "options": (f"--job-name={mark('job', uuid)}", f"--chdir={root}/{folder}"),
            "script": script,
        }
        | fields
    )
