"""What the broker may ask: one JSON line, answered with one."""

from __future__ import annotations

import json

from .activity import Activity
from .connections import Connections
from .ending import CAUSES
from .usage import Usage

LINE_MAX = 64 << 10
_PASSES_MAX = 10_000


class Control:
    """`who`: uuid, slurm_id and restarts, as in the record."""

    def __init__(
        self, who: dict[str, object], connections: Connections, activity: Activity, usage: Usage
    ) -> None:
        self._who = who
        self._connections = connections
        self._activity = activity
        self._usage = usage

    def answer(self, line: bytes) -> tuple[bytes, int | None]:
        """To any line; and the exit code, where the gate is to end once that is sent."""
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            asked = {}
        code = _code(asked)
        found = self._do(asked) if code is None else {}
        words = {"error": "this cannot be read"} if found is None else found
        return json.dumps(words).encode("ascii") + b"\n", code

    def _do(self, asked: dict[str, object]) -> dict[str, object] | None:
        """None: not understood."""
        what, passes = asked.get("do"), asked.get("passes")
        if what == "status":
            return self._status()
        if what == "close" and isinstance(passes, list) and len(passes) <= _PASSES_MAX:
            return {"closed": self._connections.close(passes)} if all(map(_is_pass, passes)) else None
        return None

    def _status(self) -> dict[str, object]:
        return {
            **self._who,
            "idle_s": round(self._activity.idle_s(), 1),
            "cpu_s": self._usage.cpu_s(),
            "memory_bytes": self._usage.memory_bytes(),
            **self._connections.figures(),
        }


def _code(asked: dict[str, object]) -> int | None:
    """What `stop` makes the gate end with; None when this is another question."""
    cause = asked.get("cause")
    return CAUSES.get(cause) if asked.get("do") == "stop" and isinstance(cause, str) else None


def _is_pass(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
