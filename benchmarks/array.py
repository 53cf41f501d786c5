"""A sweep of 10,000 tasks: through the HTTP API until Slurm has it, against `sbatch --array` of as many.

All as alice, in one run, in turn, into a partition that starts nothing. The figure, `array.vs_sbatch`, is the
ratio of the medians: what the portal adds is a request of 10,000 rows, its check, its record, and the file
with the rows in the job folder.
"""

from __future__ import annotations

import sys
import time
from statistics import median

from .door import Door
from .figure import Figure, tell
from .place import Place, until

TASKS = 10_000
ROUNDS = 7


def by_api(door: Door) -> float:
    """Seconds from the request until Slurm has the array."""
    rows = [{"n": number, "step": number / 7} for number in range(TASKS)]
    asked = {"kind": "shell", "command": "true", "name": "bench", "domain": "batch", "sweep": {"table": rows}}
    begun = time.monotonic()
    job_id = int(door.ask("POST", "/jobs", asked)["job"]["id"])
    posted = time.monotonic() - begun
    job = until(lambda: _in_slurm(door, job_id), 120, pause_s=0.02)
    took = time.monotonic() - begun
    print(f"API: posted in {posted:.3f} s, in Slurm as {job['slurm_id']} after {took:.3f} s")
    return took


def _in_slurm(door: Door, job_id: int) -> dict[str, object] | None:
    job: dict[str, object] = door.ask("GET", f"/jobs/{job_id}")["job"]
    if job["state"] in ("REJECTED", "LOST"):
        raise SystemExit(f"job {job_id}: {job['sentence']}")
    return job if job["slurm_id"] else None


def by_sbatch(place: Place) -> float:
    """Seconds of one sbatch of the same size."""
    begun = time.monotonic()
    argv = ["sbatch", "--parsable", "--partition=batch", f"--array=0-{TASKS - 1}", "--wrap=true"]
    place.run(argv, user="alice")
    took = time.monotonic() - begun
    print(f"sbatch: {took:.3f} s")
    return took


def main() -> int:
    """Measure both in turn, each with nothing of the others in the queue; take the medians."""
    place = Place()
    door = place.door()
    api: list[float] = []
    sbatch: list[float] = []
    with place.held():
        for _ in range(ROUNDS):
            place.empty()
            sbatch.append(by_sbatch(place))
            place.empty()
            api.append(by_api(door))
    raw = {"api_s": api, "sbatch_s": sbatch, "tasks": TASKS}
    tell(Figure("array.vs_sbatch", round(median(api) / median(sbatch), 3), "ratio", 2.0, "lower", raw))
    return 0


if __name__ == "__main__":
    sys.exit(main())
