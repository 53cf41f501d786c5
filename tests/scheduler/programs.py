"""squeue, sacct and scontrol that play recorded answers, and can be made to fail."""

from __future__ import annotations

from pathlib import Path

from .recordings import HERE

_PLAY = """#!/bin/bash
printf '%s\\n' "$*" >>{calls}
env >{calls}.environment
word=$(printf '%s\\n' "$@" | sed -nE 's/^--delimiter=//p; s/.*Name:\\x1f//p')
{instead}
sed "s/xNONCE/$word/g" {answer}
"""


class Programs:
    """A bin_dir; each program answers as recorded until told otherwise."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.say("squeue")
        self.say("sacct")
        self.say("scontrol", "echo 'Slurmctld(primary) at head is UP'; exit 0")

    def say(self, program: str, instead: str = "") -> None:
        """Let `program` run `instead` (bash) before its recorded answer."""
        answer = HERE / f"{program}-every-kind.txt"
        path = self.directory / program
        path.write_text(_PLAY.format(calls=self._calls(program), instead=instead, answer=answer))
        path.chmod(0o700)

    def calls(self, program: str) -> list[str]:
        """The arguments of each call so far."""
        path = self._calls(program)
        return path.read_text().splitlines() if path.exists() else []

    def environment(self, program: str) -> dict[str, str]:
        """What the last call found in its environment."""
        lines = Path(f"{self._calls(program)}.environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def _calls(self, program: str) -> Path:
        return self.directory / f"{program}.calls"
