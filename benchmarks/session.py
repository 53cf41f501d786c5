"""Sessions: how soon one is there, what its way through nginx and gate costs, what 200 of them ask of Slurm.

ready: from the request that starts JupyterLab to its first answer through the proxy, over sbatch of the same server
in the same image with the same options, asked directly; in turn, medians. The image is warm.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path

from .door import Door
from .figure import Figure, tell
from .place import Place, until
from .session_door import SessionDoor

ROUNDS = 5
POLL_S = 0.05


def by_portal(place: Place, door: Door, browser: SessionDoor) -> float:
    """Seconds from the request to JupyterLab's first answer."""
    begun = time.monotonic()
    wanted = {"app": "jupyterlab", "image": "python", "domain": "interactive"}
    number = door.ask("POST", "/sessions", wanted)["session"]["id"]
    until(lambda: _is_open(door, number), 60, pause_s=POLL_S)
    host, cookie = browser.enter(number)
    connection = browser.connect(host)
    connection.request("GET", "/api", headers={"Cookie": cookie})
    if connection.getresponse().status != http.client.OK:
        raise RuntimeError("JupyterLab did not answer")
    took = time.monotonic() - begun
    door.ask("POST", f"/sessions/{number}/stop")
    until(lambda: _is_over(door, number), 60)
    door.ask("POST", f"/sessions/{number}/forget")
    return took


def by_sbatch(place: Place, image: str, apptainer: str) -> float:
    """Seconds from running sbatch to the same server's first answer, at a TCP port."""
    home = Path(place.run(["sh", "-c", "echo ~alice"]).strip())
    port, output = 20_000 + time.monotonic_ns() % 10_000, home / f"bench-{time.monotonic_ns()}.out"
    lab = f"jupyter lab --no-browser --ip=127.0.0.1 --port={port} --ServerApp.token= --ServerApp.password="
    run = f"{apptainer} exec --containall --no-eval {image} {lab}"
    script = f"#!/bin/bash\nexec {run}\n"
    asked = ["-p", "interactive", "--qos=interactive", "-c1", "--mem=1024M", "-t", "60"]
    begun = time.monotonic()
    number = place.run(["sbatch", "--parsable", *asked, f"--output={output}"], "alice", script).strip()
    until(lambda: _answers(port), 60, pause_s=POLL_S)
    took = time.monotonic() - begun
    place.run(["scancel", number])
    until(lambda: not place.run(["squeue", "-h", "-j", number, "-t", "R,CG"]).strip(), 60)
    output.unlink()
    return took


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/api")
        return connection.getresponse().status == http.client.OK
    return False


def _is_open(door: Door, number: int) -> bool:
    phase = door.ask("GET", f"/sessions/{number}")["session"]["phase"]
    if phase == "over":
        raise RuntimeError("the session ended before it was open")
    return bool(phase == "open")


def _is_over(door: Door, number: int) -> bool:
    return bool(door.ask("GET", f"/sessions/{number}")["session"]["phase"] == "over")


def ready(place: Place) -> Figure:
    """Measure in turn, so that both meet the same noise."""
    config = tomllib.loads((place.state.etc / "sciserver.toml").read_text())
    site = tomllib.loads((place.state.etc / "site.toml").read_text())
    image = next(image["path"] for image in site["images"] if image["name"] == "python")
    door = place.door()
    browser = SessionDoor(place, place.token())
    ours, plain = [], []
    for number in range(ROUNDS):
        plain.append(round(by_sbatch(place, image, config["images"]["apptainer"]), 3))
        ours.append(round(by_portal(place, door, browser), 3))
        print(f"round {number + 1}: sbatch {plain[-1]:.3f} s, portal {ours[-1]:.3f} s")
    ratio = statistics.median(ours) / statistics.median(plain)
    raw = {"portal_s": ours, "sbatch_s": plain, "shortest": round(min(ours) / min(plain), 2)}
    return Figure("session.ready_vs_bare", round(ratio, 3), "ratio", 1.15, "lower", raw)


def main() -> int:
    """All figures."""
    place = Place()
    tell(ready(place))
    return 0


if __name__ == "__main__":
    sys.exit(main())
