"""Sessions: how soon one is there, what its way through nginx and gate costs, what 200 of them ask of Slurm.

ready: from the request that starts JupyterLab to its first answer through the proxy, over sbatch of the same
server in the same image, asked directly; in turn, medians. The image is warm.
gate: see gate.py.
rpc: what anybody but its own daemons asks of Slurm (sdiag) while 200 sessions live. They serve a few bytes
each, and the partition lets jobs share CPUs: the cluster has not so many.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path

from . import gate
from .door import Door
from .figure import Figure, tell
from .place import Place, until
from .session_door import SessionDoor

ROUNDS = 12
POLL_S = 0.05
SESSIONS = 200
WINDOW_S = 120.0
PEOPLE = ("alice", "bob", "carol", "dora")
DAEMONS = {"root", "slurm"}
SERVER = """exec python3 -I -S -c 'import os, socket; door = socket.socket(socket.AF_UNIX); \
door.bind(os.environ["SOCKET"]); door.listen(); \
answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n"; \
serve = lambda peer: (peer.recv(65536) and peer.sendall(answer), peer.close()); \
any(serve(door.accept()[0]) is None for _ in iter(int, 1))'"""
"""The least that serves HTTP."""


def by_portal(door: Door, browser: SessionDoor) -> float:
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
        ours.append(round(by_portal(door, browser), 3))
        print(f"round {number + 1}: sbatch {plain[-1]:.3f} s, portal {ours[-1]:.3f} s")
    ratio = statistics.median(ours) / statistics.median(plain)
    raw = {"portal_s": ours, "sbatch_s": plain, "shortest": round(min(ours) / min(plain), 2)}
    return Figure("session.ready_vs_bare", round(ratio, 3), "ratio", 1.15, "lower", raw)


def rpcs(place: Place) -> Figure:
    """With SESSIONS live ones, of four people."""
    doors = {username: place.door(username) for username in PEOPLE}
    asked = {"app": "webapp", "image": "python", "domain": "interactive", "values": {"command": SERVER}}
    asked["resources"] = {"memory_mb": 64}
    place.run(["scontrol", "update", "partition=interactive", "OverSubscribe=FORCE:10"])
    try:
        started = [
            (door, door.ask("POST", "/sessions", asked)["session"]["id"])
            for door in doors.values()
            for _ in range(SESSIONS // len(doors))
        ]
        until(lambda: all(_is_open(*one) for one in started), 1200, pause_s=5)
        begun, before = time.monotonic(), place.rpcs()
        time.sleep(WINDOW_S)
        after, took = place.rpcs(), time.monotonic() - begun
        live = sum(_is_open(*one) for one in started)
    finally:
        for door in doors.values():
            _stop_all(door)
        place.run(["scontrol", "update", "partition=interactive", "OverSubscribe=NO"])
    counted = {user: after[user] - before.get(user, 0) for user in after if user not in DAEMONS}
    a_minute = sum(counted.values()) * 60 / took
    raw = {"live": live, "by_user": counted, "window_s": round(took)}
    return Figure("session.rpc_per_min_200", round(a_minute, 1), "1/min", 30, "lower", raw)


def _stop_all(door: Door) -> None:
    for one in door.ask("GET", "/sessions")["sessions"]:
        door.ask("POST", f"/sessions/{one['id']}/stop")
    until(lambda: all(one["phase"] == "over" for one in door.ask("GET", "/sessions")["sessions"]), 300)


def main() -> int:
    """All figures, or those that are named: ready, gate, rpc."""
    place, wanted = Place(), sys.argv[1:] or ["ready", "gate", "rpc"]
    if "ready" in wanted:
        tell(ready(place))
    if "gate" in wanted:
        tell(*gate.figures())
    if "rpc" in wanted:
        tell(rpcs(place))
    return 0


if __name__ == "__main__":
    sys.exit(main())
