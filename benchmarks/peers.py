"""Beside peers: 200 small Python functions as jobs, by our plugin of submitit and by its own Slurm executor.

Both as alice, in one run, in turn: `executor.submit` for each, then `result()` of each. A job of ours runs in
the python image; one of theirs, which has no image, in the Python that submits. Figures, both ours over
theirs:

- `peers.submitit_wall`: from the first submission until all results are back. Submitit lets 0.2 s pass
  between two submissions to Slurm, so `raw` also has the times with `map_array`, where it submits once;
- `peers.submitit_rpc`: requests that slurmctld answered meanwhile, of all users. The broker looks at the
  cluster during theirs as well: what slurmctld answers in as long a time without jobs is taken off theirs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from sciserver_hpc.devcluster import ca, settings

from .figure import Figure, tell
from .place import Place, until

JOBS = 200
ROUNDS = 2
IDLE_S = 30

PROGRAM = """
import json, sys, time
import submitit

def square(number):
    return number * number

cluster, way, folder, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
executor.update_parameters(
    timeout_min=5,
    cpus_per_task=1,
    mem_gb=0.25,
    slurm_partition="batch",
    sciserver_domain="batch",
    sciserver_image="python",
)
begun = time.monotonic()
if way == "submit":
    jobs = [executor.submit(square, number) for number in range(count)]
else:
    jobs = executor.map_array(square, range(count))
submitted = time.monotonic()
assert [job.result() for job in jobs] == [number * number for number in range(count)]
print(json.dumps({"submitted_s": submitted - begun, "all_s": time.monotonic() - begun}))
"""


def run(place: Place, cluster: str, way: str) -> dict[str, float]:
    """Times and RPCs of one run of the program, as alice."""
    door = place.door()
    until(door.all_over, 300)
    until(lambda: not place.run(["squeue", "--noheader"]).strip(), 300)
    home = place.run(["sh", "-c", "echo ~alice"]).strip()
    folder = f"{home}/peers-{cluster}-{way}-{time.monotonic_ns()}"
    env = {
        "SCISERVER_URL": settings.url(place.state),
        "SCISERVER_CA": str(ca.authority(place.state)),
        "SCISERVER_TOKEN": place.token(),
        "PYTHONPATH": os.environ["PYTHONPATH"],
        "PATH": os.environ["PATH"],
        "HOME": home,
    }
    before = sum(place.rpcs().values())
    begun = time.monotonic()
    argv = ["runuser", "-u", "alice", "--", sys.executable, "-c", PROGRAM, cluster, way, folder, str(JOBS)]
    done = subprocess.run(argv, env=env, cwd=home, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise SystemExit(f"{cluster}, {way}: {done.stderr[-2000:]}")
    took = time.monotonic() - begun
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    found |= {"rpcs": sum(place.rpcs().values()) - before, "ran_s": took}
    print(f"{cluster}, {way}: {found}", flush=True)
    return found


def idle_rpcs_per_s(place: Place) -> float:
    """What slurmctld answers anyhow: the broker's looks, slurmds that report."""
    before = sum(place.rpcs().values())
    time.sleep(IDLE_S)
    return (sum(place.rpcs().values()) - before) / IDLE_S


def main() -> int:
    """Measure in turn; of each the better."""
    place = Place()
    idle = idle_rpcs_per_s(place)
    raw: dict[str, Any] = {"idle_rpcs_per_s": round(idle, 2), "jobs": JOBS}
    for way, rounds in (("submit", ROUNDS), ("map_array", 1)):
        for _ in range(rounds):
            for cluster in ("slurm", "sciserver"):
                raw.setdefault(f"{cluster}_{way}", []).append(run(place, cluster, way))
    ours, theirs = (raw[f"{cluster}_submit"] for cluster in ("sciserver", "slurm"))
    wall = min(r["all_s"] for r in ours) / min(r["all_s"] for r in theirs)
    asked = min(r["rpcs"] for r in ours) / min(r["rpcs"] - idle * r["ran_s"] for r in theirs)
    tell(
        Figure("peers.submitit_wall", round(wall, 3), "ratio", 1.0, "lower", raw),
        Figure("peers.submitit_rpc", round(asked, 3), "ratio", 1.0, "lower", raw),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
