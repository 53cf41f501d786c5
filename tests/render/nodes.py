"""A compute node in miniature: runs a rendered script as Slurm would; its apptainer only takes notes."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sciserver_hpc.domain.jobs import JobSpec
from sciserver_hpc.domain.scheduling import EndRecord, Submission
from sciserver_hpc.render import Surroundings, render

from . import samples

FAKE_APPTAINER = """#!/bin/bash
printf '%s\\0' "$@" >{notes}/argv
env -0 >{notes}/environment
{behaviour}
"""


@dataclass
class Node:
    """Directories of one test; `env` is what Slurm would set besides."""

    base: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.results = self.base / "jobs"
        self.tmp = self.base / "tmp"
        self.notes = self.base / "notes"
        self.image = self.base / "image.sif"
        for directory in (self.results, self.tmp, self.notes):
            directory.mkdir(parents=True)
        self.image.write_bytes(b"a SIF file")
        self.apptainer()

    def apptainer(self, behaviour: str = "exit 0") -> None:
        """What the fake does after its notes: lines of bash."""
        program = self.base / "apptainer"
        program.write_text(FAKE_APPTAINER.format(notes=self.notes, behaviour=behaviour))
        program.chmod(0o700)

    def spec(self, **changes: Any) -> JobSpec:
        """A job whose paths are this node's."""
        image = self.image.read_bytes()
        here = {
            "image_path": str(self.image),
            "image_sha256": hashlib.sha256(image).hexdigest(),
            "image_size": len(image),
            "image_mtime_ns": self.image.stat().st_mtime_ns,
            "results_root": str(self.results),
            "mounts": (),
        }
        return samples.spec(**here | changes)

    def rendered(
        self, spec: JobSpec, files: dict[str, str] | None = None, *, contained: bool = True, **around: Any
    ) -> Submission:
        """The submission, and its folder as an agent would make it."""
        surroundings = Surroundings(apptainer=str(self.base / "apptainer") if contained else "", **around)
        files = {spec.filename: "echo hello\n"} if files is None else files
        submission = render(spec, 7, files=files, claim_secret="s3cret", surroundings=surroundings)
        self.make_folder(submission)
        return submission

    def make_folder(self, submission: Submission) -> None:
        folder = Path(submission.root) / submission.folder
        for payload in submission.files:
            path = folder / payload.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(payload.text, encoding="utf-8")
            path.chmod(payload.mode)

    def start(self, submission: Submission, slurm_id: int = 42, **env: str) -> subprocess.Popen[str]:
        """Run the script with an environment like that of `--export=NIL`."""
        base = {"SLURM_JOB_ID": str(slurm_id), "TMPDIR": str(self.tmp), "PATH": os.environ["PATH"]}
        return subprocess.Popen(
            ["/bin/bash", "-c", submission.script, "slurm_script"],
            env=base | self.env | env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def run(self, submission: Submission, slurm_id: int = 42, **env: str) -> tuple[int, str]:
        """Run to the end: exit code and the wrapper's own words."""
        with self.start(submission, slurm_id, **env) as process:
            words, _ = process.communicate(timeout=60)
        return process.returncode, words

    def argv(self) -> list[str]:
        """What apptainer was called with."""
        return _nul_separated(self.notes / "argv")

    def environment(self) -> dict[str, str]:
        """What apptainer found in its environment."""
        return dict(line.split("=", 1) for line in _nul_separated(self.notes / "environment"))


def _nul_separated(path: Path) -> list[str]:
    return path.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]


def end_of(submission: Submission, name: str = "end.json") -> EndRecord:
    """The end record the wrapper left."""
    text = (folder_of(submission) / ".sciserver" / name).read_text()
    return EndRecord.model_validate_json(text)


def folder_of(submission: Submission) -> Path:
    return Path(submission.root) / submission.folder


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
