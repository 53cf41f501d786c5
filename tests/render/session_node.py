"""A compute node in miniature for sessions: the wrapper with a gate and an app that do as they are told.

The gate is a `python3` of its own at the front of PATH; what it does is a few lines of bash.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sciserver_hpc.domain.jobs import Kind
from sciserver_hpc.domain.scheduling import Submission
from sciserver_hpc.render import Door, Surroundings, render
from tests.fakes.sessions import make_app

from .nodes import Node

SECRET = "the-apps-own-s3cret"
DOOR = Door(secret=SECRET, certificate="KEY AND CERTIFICATE\n", ca="CA\n", origin="https://x.sessions.test")
STAY = "while :; do sleep 0.05; done"
"""A program that goes on until a signal."""


@dataclass
class SessionNode(Node):
    """`gate` and `app` say what each does; `save.sh` is run by the app's program too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.programs = self.base / "bin"
        self.programs.mkdir()
        self.gate(STAY)
        self.app(STAY)

    def gate(self, behaviour: str) -> None:
        """Its arguments: $1 settings, $2 the session's directory, $3 its record."""
        lines = f"printf '%s\\0' \"$@\" >{self.notes}/gate.argv; env -0 >{self.notes}/gate.env; shift 3"
        self._program("python3", f"echo $$ >{self.notes}/gate.pid; {lines}\n{behaviour}")

    def app(self, behaviour: str, save: str = "echo saved") -> None:
        """What apptainer does when it is asked to run the app, and the save hook."""
        note = f"echo $$ >{self.notes}/app.pid"
        self.apptainer(f"if [[ ${{@: -1}} == */save.sh ]]; then\n{save}\nelse\n{note}\n{behaviour}\nfi")

    def _program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o700)

    def session(self, save: bool = True, **around: Any) -> Submission:
        """A session's submission, its folder made."""
        app = make_app(save="save all" if save else None, inject=(("Authorization", "token {secret}"),))
        spec = self.spec(kind=Kind.SESSION, filename="app.sh", app=app, values={})
        surroundings = Surroundings(apptainer=str(self.base / "apptainer"), **around)
        made = render(spec, 7, files={}, claim_secret="s3cret", surroundings=surroundings, door=DOOR)
        self.make_folder(made)
        return made

    def start(self, submission: Submission, slurm_id: int = 42, **env: str) -> subprocess.Popen[str]:
        return super().start(submission, slurm_id, **{"PATH": f"{self.programs}:{os.environ['PATH']}"} | env)

    def pid(self, name: str) -> int:
        return int((self.notes / f"{name}.pid").read_text())


def lives(pid: int) -> bool:
    """Is there a process that is more than a zombie?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def with_word(base: Path, word: str) -> list[int]:
    """Processes that name `word` among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                argv = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in argv and str(base).encode() in argv and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found
