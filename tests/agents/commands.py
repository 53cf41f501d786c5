"""Stand-ins for sbatch and scancel: shell scripts that do what a file of fates says."""

from __future__ import annotations

from pathlib import Path

from sciserver_hpc.domain.scheduling import Verdict

FATES = {
    Verdict.ACCEPTED: "accept",
    Verdict.REJECTED: "reject",
    Verdict.UNKNOWN: "lose",
    Verdict.NOT_TRIED: "down",
}

_SBATCH = """#!/bin/sh
d=${0%/*}
for argument; do printf '%s\\n' "$argument"; done > "$d/arguments"
cat > "$d/script"
env > "$d/environment"
fate=$(head -n 1 "$d/fates")
sed -i 1d "$d/fates"
refused='sbatch: error: Batch job submission failed:'
case "$fate" in
  reject) echo "$refused Invalid partition name specified" >&2; exit 1 ;;
  lose) echo "$refused Socket timed out on send/recv operation" >&2; exit 1 ;;
  down) echo "$refused Unable to contact slurm controller (connect failure)" >&2; exit 1 ;;
  hang) exec sleep 600 ;;
  garbage) echo 'Submitted batch job' ;;
  killed) kill -9 $$ ;;
  *) case "$*" in
       --test-only*) echo 'sbatch: Job 7 to start at 2026-01-15T12:00:00 on nodes n1' >&2 ;;
       *) n=$(($(cat "$d/last") + 1)); echo "$n" > "$d/last"; echo "$n;cluster" ;;
     esac ;;
esac
"""

_SCANCEL = """#!/bin/sh
d=${0%/*}
printf '%s\\n' "$@" >> "$d/cancelled"
fate=$(head -n 1 "$d/fates")
sed -i 1d "$d/fates"
error='scancel: error: Kill job error on job id 5:'
case "$fate" in
  over) echo "$error Job/step already completing or completed" >&2; exit 1 ;;
  foreign) echo "$error Access/permission denied" >&2; exit 1 ;;
  down) echo 'scancel: error: slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2
        exit 1 ;;
esac
"""


class Commands:
    """A directory with the two programs, to be given as `bin_dir`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        for name, text in (("sbatch", _SBATCH), ("scancel", _SCANCEL)):
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)
        (directory / "last").write_text("1000")
        self.decide()

    def decide(self, *fates: str) -> None:
        """The fates of the next calls; all goes well when none is left."""
        (self.directory / "fates").write_text("".join(f"{fate}\n" for fate in fates))

    def saw(self, what: str) -> list[str]:
        """Lines of the last call's `arguments`, `environment` or `script`, or of all `cancelled`."""
        path = self.directory / what
        return path.read_text().splitlines() if path.exists() else []
