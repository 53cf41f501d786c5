"""Overhead: from POST to the first line of a job's output, against plain sbatch of the same command.

On an idle cluster, one after the other in turn. Slurm starts a batch job up to three seconds after it was
submitted (`batch_sched_delay`), depending on when it looked last: a random pause before each run spreads both
ways over that alike. Figure: ratio of the medians; `raw` has every time, and the ratio of the shortest.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
import tomllib
from pathlib import Path

from .figure import Figure, tell
from .place import Place, until

ROUNDS = 25
PAUSE_S = 3.0
COMMAND = "date +%s.%N"
"""Prints the moment its first line was written, by the clock both ways share."""


def by_api(place: Place) -> float:
    """Seconds from the request to the first line."""
    client = place.client()
    begun = time.time()
    job = client.submit_shell(COMMAND, name="bench", domain="batch", image="python")
    output = Path(job.folder) / job.stdout
    return float(until(lambda: _first_line(output), 60, pause_s=0.05)) - begun


def by_sbatch(place: Place, image: str, apptainer: str) -> float:
    """Seconds from running sbatch to the first line."""
    home = Path(place.run(["sh", "-c", "echo ~alice"]).strip())
    output = home / f"bench-{time.monotonic_ns()}.out"
    script = f"#!/bin/bash\n{apptainer} exec --containall {image} /bin/bash -c '{COMMAND}'\n"
    argv = ["sbatch", "--parsable", "-p", "batch", f"--output={output}", "--error=/dev/null"]
    begun = time.time()
    place.run(argv, "alice", script)
    line = until(lambda: _first_line(output), 60, pause_s=0.05)
    output.unlink()
    return float(line) - begun


def _first_line(path: Path) -> str:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return ""
    return text.split("\n")[0] if "\n" in text else ""


def main() -> int:
    """Measure in turn, so that both meet the same noise."""
    place = Place()
    config = tomllib.loads((place.state.etc / "sciserver.toml").read_text())
    site = tomllib.loads((place.state.etc / "site.toml").read_text())
    image = next(image["path"] for image in site["images"] if image["name"] == "python")
    apptainer = config["images"]["apptainer"]
    ours, plain = [], []
    chance = random.Random(ROUNDS)
    for number in range(ROUNDS):
        time.sleep(chance.random() * PAUSE_S)
        plain.append(round(by_sbatch(place, image, apptainer), 3))
        time.sleep(chance.random() * PAUSE_S)
        ours.append(round(by_api(place), 3))
        print(f"round {number + 1}: sbatch {plain[-1]:.3f} s, portal {ours[-1]:.3f} s")
    ratio = statistics.median(ours) / statistics.median(plain)
    raw = {"portal_s": ours, "sbatch_s": plain, "shortest": round(min(ours) / min(plain), 2)}
    tell(Figure("overhead.job_vs_sbatch", round(ratio, 3), "ratio", 1.3, "lower", raw))
    return 0


if __name__ == "__main__":
    sys.exit(main())
