"""Submitting: 500 jobs through the HTTP API by 8 clients until all have a Slurm id, against 500 sbatch runs.

Both as alice, in one run, into a partition that starts nothing. Figure: ratio of throughputs.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .door import Door
from .figure import Figure, tell
from .place import Place, until

JOBS = 500
CLIENTS = 8


def by_api(place: Place) -> float:
    """Jobs per second from the first request until Slurm has them all."""
    watcher = place.door()
    clients = [place.door() for _ in range(CLIENTS)]
    shares = [range(i, JOBS, CLIENTS) for i in range(CLIENTS)]
    begun = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(_submit_all, clients, shares))
    posted = time.monotonic() - begun
    until(watcher.all_in_slurm, 300, pause_s=0.1)
    took = time.monotonic() - begun
    print(f"API: {JOBS} posted in {posted:.2f} s, all in Slurm after {took:.2f} s")
    return JOBS / took


def _submit_all(client: Door, share: range) -> None:
    for number in share:
        client.submit(f"bench{number}")


def by_sbatch() -> float:
    """Jobs per second of 8 loops of sbatch as the same user."""
    loop = f"for i in $(seq {JOBS // CLIENTS}); do sbatch --parsable -p batch --wrap true >/dev/null; done"
    extra = JOBS - JOBS // CLIENTS * CLIENTS
    begun = time.monotonic()
    loops = [
        subprocess.Popen(["runuser", "-u", "alice", "--", "sh", "-c", loop], cwd="/tmp")
        for _ in range(CLIENTS)
    ]
    codes = [loop_.wait(300) for loop_ in loops]
    took = time.monotonic() - begun
    if any(codes):
        raise SystemExit(f"sbatch failed: {codes}")
    print(f"sbatch: {JOBS - extra} in {took:.2f} s")
    return (JOBS - extra) / took


def main() -> int:
    """Measure both, twice in turn, and take the better of each."""
    place = Place()
    with place.held():
        sbatch, api = [], []
        for _ in range(2):
            sbatch.append(by_sbatch())
            api.append(by_api(place))
    raw = {"api_per_s": api, "sbatch_per_s": sbatch, "jobs": JOBS, "clients": CLIENTS}
    tell(Figure("submit.cli_vs_sbatch", round(max(api) / max(sbatch), 3), "ratio", 0.5, "higher", raw))
    return 0


if __name__ == "__main__":
    sys.exit(main())
