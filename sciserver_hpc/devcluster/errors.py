"""What can go wrong while bringing the cluster up: `Failed`, with a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path


class Failed(Exception):
    """A step failed: which, why, and what to do; `log` names the file whose tail explains it."""

    def __init__(self, step: str, why: str, do: str = "", log: Path | None = None) -> None:
        super().__init__(f"{step}: {why}")
        self.step, self.why, self.do, self.log = step, why, do, log

    def report(self) -> str:
        """The failure in lines for a person, with the end of its log."""
        lines = [f"dev: {self.step} failed: {self.why}"]
        if self.log and self.log.exists():
            lines.append(f"last lines of {self.log}:")
            lines += [f"  | {line}" for line in tail(self.log)]
        if self.do:
            lines.append(f"what to do: {self.do}")
        return "\n".join(lines)


def tail(log: Path, lines: int = 15) -> list[str]:
    """The last `lines` lines of `log`, reading no more than its last 16 kB."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return file.read().decode(errors="replace").splitlines()[-lines:]
