"""Observing: 1,000 active jobs and 200 clients watching, against the same with one watcher.

Figures: scheduler RPCs per minute (counted by sdiag for everybody but Slurm's own daemons), the longest
turn of the broker, and the longest time until a client sees a change that Slurm made.
"""

from __future__ import annotations

import random
import sys
import threading
import time

from .door import Door
from .figure import Figure, tell
from .place import Place, until

JOBS = 1000
WATCHERS = 200
POLL_S = 2.0
"""How often a page that is looked at asks."""

WINDOW_S = 60.0
CHANGES = 15
DAEMONS = {"root", "slurm"}


def submit(place: Place) -> list[int]:
    """Ids of JOBS jobs that Slurm has queued."""
    door = place.door()
    ids = [door.submit(f"watch{number}") for number in range(JOBS)]
    until(door.all_in_slurm, 300)
    return ids


def watch(door: Door, ids: tuple[int, ...], stop: threading.Event, seed: int) -> None:
    """Ask for one job after the other, as pages do."""
    pick = random.Random(seed)
    stop.wait(pick.random() * POLL_S)
    while not stop.is_set():
        door.ask("GET", f"/jobs/{pick.choice(ids)}")
        stop.wait(POLL_S)


def rpcs_per_minute(
    place: Place, ids: list[int], watchers: int, turns: list[float]
) -> tuple[float, list[float]]:
    """RPCs in a window with `watchers` clients, and the lags measured after it with them still watching."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=watch, args=(place.door(), tuple(ids), stop, n), daemon=True)
        for n in range(watchers)
    ]
    for thread in threads:
        thread.start()
    before, begun = place.rpcs(), time.monotonic()
    while time.monotonic() - begun < WINDOW_S:
        turns.append(last_turn(place))
        time.sleep(1)
    after, took = place.rpcs(), time.monotonic() - begun
    asked = {u: after[u] - before.get(u, 0) for u in after if u not in DAEMONS}
    lags = [lag(place, place.door(), ids.pop()) for _ in range(CHANGES)]
    stop.set()
    for thread in threads:
        thread.join()
    print(f"{watchers} watchers: RPCs {asked} in {took:.0f} s; lag at most {max(lags):.1f} s")
    return sum(asked.values()) * 60 / took, lags


def lag(place: Place, door: Door, job_id: int) -> float:
    """Seconds from a change in Slurm (an administrator's scancel) until a client that polls sees it."""
    slurm_id = door.ask("GET", f"/jobs/{job_id}")["job"]["slurm_id"]
    time.sleep(random.random() * 3)
    place.run(["scancel", str(slurm_id)])
    begun = time.monotonic()
    until(lambda: door.ask("GET", f"/jobs/{job_id}")["job"]["final"], 60, pause_s=0.5)
    return time.monotonic() - begun


def last_turn(place: Place) -> float:
    """How long the broker's last look at the cluster took, as the portal's metrics tell."""
    for line in place.metrics().splitlines():
        if line.startswith("sciserver_broker_tick_seconds"):
            return float(line.split()[-1])
    return 0.0


def main() -> int:
    """One watcher, then two hundred."""
    place = Place()
    turns: list[float] = []
    with place.held():
        ids = submit(place)
        alone, _ = rpcs_per_minute(place, ids, 1, turns)
        crowd, lags = rpcs_per_minute(place, ids, WATCHERS, turns)
    raw = {"one_watcher": round(alone, 1), "watchers": WATCHERS, "jobs": JOBS}
    tell(
        Figure("observe.rpc_per_min", round(crowd, 1), "1/min", 30, "lower", raw),
        Figure("observe.tick_s", round(max(turns), 3), "s", 1, "lower", {"turns": len(turns)}),
        Figure("observe.lag_s", round(max(lags), 2), "s", 5, "lower", {"lags": [round(x, 2) for x in lags]}),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
