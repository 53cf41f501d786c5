"""A compute node in miniature for sessions: the wrapper with a gate and an app that do as they are told.

The gate is a `python3` of its own at the front of PATH; what it does is a few lines of bash.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sciserver_hpc.domain.compose import Service
from sciserver_hpc.domain.jobs import Kind, ServiceImage
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
        self._services: dict[str, str] = {}
        # What a network of its own needs, an ordinary user of this machine may not have.
        self._program(
            "unshare",
            f'echo "$*" >>{self.notes}/unshare; while [[ $1 != -- ]]; do shift; done; shift; exec "$@"',
        )
        self.gate(STAY)
        self.app(STAY)

    def gate(self, behaviour: str) -> None:
        """Its arguments: $1 settings, $2 the session's directory, $3 its record."""
        lines = f"printf '%s\\0' \"$@\" >{self.notes}/gate.argv; env -0 >{self.notes}/gate.env; shift 3"
        self._program("python3", f"echo $$ >{self.notes}/gate.pid; {lines}\n{behaviour}")

    def app(self, behaviour: str, save: str = "echo saved") -> None:
        """What apptainer does when it is asked to run the app, and the save hook."""
        self._app, self._save = behaviour, save
        self._write_apptainer()

    def service(self, name: str, behaviour: str) -> None:
        """What it does when it is asked to run a service; `ready` makes its file."""
        self._services[name] = behaviour
        self._write_apptainer()

    def _write_apptainer(self) -> None:
        home = "for a; do case $a in *:/home/idies) home=${a%%:*};; esac; done"
        lines = [
            f"{home}\nname=${{@: -1}} name=${{name##*/service.}} name=${{name%.sh}}",
            'ready() { : >"$home/.session/$name.ready"; }',
            f"if [[ ${{@: -1}} == */save.sh ]]; then\n{self._save}\nexit; fi",
        ]
        for name, behaviour in self._services.items():
            note = f"echo $$ >{self.notes}/{name}.pid; echo {name} >>{self.notes}/begun"
            argv = f"printf '%s\\0' \"$@\" >{self.notes}/{name}.argv"
            lines.append(
                f"if [[ ${{@: -1}} == */service.{name}.sh ]]; then\n{note}; {argv}\n{behaviour}\nexit; fi"
            )
        lines.append(f"echo $$ >{self.notes}/app.pid; echo app >>{self.notes}/begun\n{self._app}")
        self.apptainer("\n".join(lines))

    def _program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o700)

    def session(self, save: bool = True, services: Sequence[str] = (), **around: Any) -> Submission:
        """A session's submission, its folder made."""
        beside = tuple(Service(name=name, image="database", command=f"run {name}") for name in services)
        app = make_app(
            save="save all" if save else None,
            inject=(("Authorization", "token {secret}"),),
            services=beside,
        )
        images = tuple(self.image_of(name) for name in services)
        spec = self.spec(kind=Kind.SESSION, filename="app.sh", app=app, values={}, services=images)
        surroundings = Surroundings(apptainer=str(self.base / "apptainer"), **around)
        made = render(spec, 7, files={}, claim_secret="s3cret", surroundings=surroundings, door=DOOR)
        self.make_folder(made)
        return made

    def image_of(self, service: str) -> ServiceImage:
        file = self.base / f"{service}.sif"
        file.write_bytes(f"of {service}".encode())
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        found = {"sha256": digest, "size": file.stat().st_size, "mtime_ns": file.stat().st_mtime_ns}
        return ServiceImage(service=service, image="database", version="1", path=str(file), **found)

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
