"""The least a program needs to use the API: a kept connection and a token, so that it costs little."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit


class Door:
    """One connection of one person; use it from one thread."""

    def __init__(self, url: str, ca_file: str, token: str) -> None:
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=ca_file)
        self._connection = http.client.HTTPSConnection(
            parts.hostname or "localhost", parts.port, timeout=60, context=context
        )
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON answer. Raises RuntimeError with the answer's text when it is no success."""
        text = json.dumps(body) if body is not None else None
        try:
            self._connection.request(method, f"/api/v1{path}", text, self._headers)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # nginx closes a connection after a number of requests, or when it was idle for long.
            self._connection.close()
            self._connection.request(method, f"/api/v1{path}", text, self._headers)
            response = self._connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{response.status}: {answer[:300]!r}")
        return dict(json.loads(answer))

    def submit(self, name: str, command: str = "true", domain: str = "batch") -> int:
        """Submit a shell job; return its id."""
        return int(self.ask("POST", "/jobs", _shell(name, command, domain))["job"]["id"])

    def submit_many(self, names: Sequence[str], command: str = "true", domain: str = "batch") -> list[int]:
        """Submit shell jobs in one request; return their ids. Raises RuntimeError when one is refused."""
        wanted = {"jobs": [_shell(name, command, domain) for name in names]}
        rows = self.ask("POST", "/jobs/batch", wanted)["jobs"]
        if refused := [row["error"] for row in rows if "error" in row]:
            raise RuntimeError(f"{len(refused)} refused, as {refused[0]}")
        return [int(row["job"]["id"]) for row in rows]

    def all_in_slurm(self) -> bool:
        """No job of mine waits to be submitted."""
        return not self.ask("GET", "/jobs?state=ACCEPTED,SUBMITTING&limit=1")["jobs"]

    def all_over(self) -> bool:
        """No job of mine is unfinished."""
        unfinished = "ACCEPTED,SUBMITTING,PENDING,RUNNING,COMPLETING"
        return not self.ask("GET", f"/jobs?state={unfinished}&limit=1")["jobs"]


def _shell(name: str, command: str, domain: str) -> dict[str, Any]:
    return {"kind": "shell", "command": command, "name": name, "domain": domain}
