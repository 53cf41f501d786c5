"""Where a benchmark runs: inside the development cluster that SCISERVER_DEV_STATE names, as root."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster import ca, settings, slapd
from sciserver_hpc.devcluster.state import State

from .door import Door


class Place:
    """The cluster, its portal and its people."""

    def __init__(self) -> None:
        if "SCISERVER_DEV_STATE" not in os.environ:
            raise SystemExit("run it by ./dev bench NAME, which brings up what it needs")
        self.state = State.from_environment()
        self._tokens: dict[str, str] = {}

    def client(self, username: str = "alice") -> Client:
        """A logged-in client of `username`."""
        password = slapd.password(self.state, username)
        return Client.login(settings.url(self.state), username, password, ca=str(ca.authority(self.state)))

    def door(self, username: str = "alice") -> Door:
        """A bare connection of `username`, who logs in once for all of them."""
        url, ca_file = settings.url(self.state), str(ca.authority(self.state))
        return Door(url, ca_file, self.token(username))

    def token(self, username: str = "alice") -> str:
        """The secret of that login."""
        if username not in self._tokens:
            url, ca_file = settings.url(self.state), str(ca.authority(self.state))
            login = {"username": username, "password": slapd.password(self.state, username)}
            self._tokens[username] = Door(url, ca_file, "").ask("POST", "/login", login)["token"]
        return self._tokens[username]

    @staticmethod
    def run(argv: Sequence[str], user: str | None = None, text: str = "") -> str:
        """Run a command (as `user`) and return what it prints. Raises CalledProcessError."""
        prefix = ["runuser", "-u", user, "--"] if user else []
        done = subprocess.run(
            [*prefix, *argv], input=text, capture_output=True, text=True, timeout=600, check=True, cwd="/"
        )
        return done.stdout

    @contextmanager
    def held(self, partition: str = "batch") -> Iterator[None]:
        """Jobs queue in `partition` but do not start, so that only submitting and watching is measured."""
        self.run(["scontrol", "update", f"partition={partition}", "state=DOWN"])
        try:
            yield
        finally:
            self.empty(partition)
            self.run(["scontrol", "update", f"partition={partition}", "state=UP"])

    def empty(self, partition: str = "batch") -> None:
        """Cancel what is queued in `partition`, and wait until nobody counts it as live any more."""
        door = self.door()
        until(door.all_in_slurm, 300)
        self.run(["scancel", f"--partition={partition}"])
        until(door.all_over, 300)

    def metrics(self) -> str:
        """The portal's metrics, which nginx shows to nobody."""
        argv = ["curl", "--silent", "--fail", "--max-time", "10", "--unix-socket"]
        return self.run([*argv, str(settings.socket(self.state)), "http://localhost/metrics"])

    def rpcs(self) -> dict[str, int]:
        """Requests slurmctld has answered so far, by user (sdiag(1))."""
        lines = iter(self.run(["sdiag"]).splitlines())
        for line in lines:
            if line.startswith("Remote Procedure Call statistics by user"):
                break
        counts: dict[str, int] = {}
        for line in lines:
            words = line.split()
            if not words or ":" not in line:
                break
            counts[words[0]] = int(line.split("count:")[1].split()[0])
        return counts


def until(what: Callable[[], Any], deadline_s: float, pause_s: float = 0.2) -> Any:
    """Poll until `what()` is true and return it. Raises TimeoutError."""
    end = time.monotonic() + deadline_s
    while not (answer := what()):
        if time.monotonic() > end:
            raise TimeoutError(f"nothing after {deadline_s} s")
        time.sleep(pause_s)
    return answer
