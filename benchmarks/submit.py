"""Submitting: 500 jobs through the HTTP API by 8 clients until all have a Slurm id, against 500 sbatch runs.

All as alice, in one run, into a partition that starts nothing. Figures, both ratios of throughputs:

- `submit.many_vs_sbatch`: each client sends its share in requests of 25 jobs, as `Client.submit_many` does
  for somebody who has hundreds;
- `submit.cli_vs_sbatch`: each client sends a request for every job and waits for its answer, as a loop
  of `sciserver-submit` does, which starts Python each time besides.

sbatch knows only the second way: one program per job.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from .door import Door
from .figure import Figure, tell
from .place import Place, until

JOBS = 500
CLIENTS = 8
ROUNDS = 2
IN_ONE_REQUEST = 25

Way = Callable[[Door, list[str]], None]
"""How a client submits jobs of these names."""


def by_api(place: Place, way: Way) -> float:
    """Jobs per second from the first request until Slurm has them all."""
    watcher = place.door()
    clients = [place.door() for _ in range(CLIENTS)]
    shares = [[f"bench{number}" for number in range(i, JOBS, CLIENTS)] for i in range(CLIENTS)]
    begun = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(way, clients, shares))
    posted = time.monotonic() - begun
    until(watcher.all_in_slurm, 300, pause_s=0.1)
    took = time.monotonic() - begun
    print(f"API, {way.__name__}: {JOBS} posted in {posted:.2f} s, all in Slurm after {took:.2f} s")
    return JOBS / took


def many_at_once(client: Door, names: list[str]) -> None:
    """In requests of `IN_ONE_REQUEST` jobs."""
    for start in range(0, len(names), IN_ONE_REQUEST):
        client.submit_many(names[start : start + IN_ONE_REQUEST])


def one_by_one(client: Door, names: list[str]) -> None:
    """In a request for each."""
    for name in names:
        client.submit(name)


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
    """Measure all three in turn, each with nothing of the others in the queue; take the better of each."""
    place = Place()
    sbatch: list[float] = []
    many: list[float] = []
    single: list[float] = []
    measured: list[tuple[list[float], Callable[[], float]]] = [
        (sbatch, by_sbatch),
        (many, partial(by_api, place, many_at_once)),
        (single, partial(by_api, place, one_by_one)),
    ]
    with place.held():
        for _ in range(ROUNDS):
            for figures, measure in measured:
                place.empty()
                figures.append(measure())
    tell(
        _figure("submit.many_vs_sbatch", many, sbatch, jobs_a_request=IN_ONE_REQUEST),
        _figure("submit.cli_vs_sbatch", single, sbatch, jobs_a_request=1),
    )
    return 0


def _figure(name: str, api: list[float], sbatch: list[float], **more: int) -> Figure:
    raw = {"api_per_s": api, "sbatch_per_s": sbatch, "jobs": JOBS, "clients": CLIENTS, **more}
    return Figure(name, round(max(api) / max(sbatch), 3), "ratio", 0.5, "higher", raw)


if __name__ == "__main__":
    sys.exit(main())
