"""What the broker may ask: one JSON line, answered with one."""

from __future__ import annotations

import json
from collections.abc import Callable

from .activity import Activity
from .connections import Connections
from .ending import CAUSES
from .usage import Usage

LINE_MAX = 64 << 10
_PASSES_MAX = 10_000


class Control:
    """`who`: uuid, slurm_id and restarts, as in the record; `end` takes the exit code."""

    def __init__(
        self,
        who: dict[str, object],
        connections: Connections,
        activity: Activity,
        usage: Usage,
        end: Callable[[int], None],
    ) -> None:
        self._who = who
        self._connections = connections
        self._activity = activity
        self._usage = usage
        self._end = end

    def answer(self, line: bytes) -> bytes:
        """To any line."""
        try:
            asked = json.loads(line)
            found = self._do(asked) if isinstance(asked, dict) else None
        except (ValueError, RecursionError):
            found = None
        return (
            json.dumps({"error": "this cannot be read"} if found is None else found).encode("ascii") + b"\n"
        )

    def _do(self, asked: dict[str, object]) -> dict[str, object] | None:
        """None: not understood."""
        what, passes, cause = asked.get("do"), asked.get("passes"), asked.get("cause")
        if what == "status":
            return self._status()
        if what == "close" and isinstance(passes, list) and len(passes) <= _PASSES_MAX:
            return {"closed": self._connections.close(passes)} if all(map(_is_pass, passes)) else None
        if what == "stop" and isinstance(cause, str) and cause in CAUSES:
            self._end(CAUSES[cause])
            return {}
        return None

    def _status(self) -> dict[str, object]:
        return {
            **self._who,
            "idle_s": round(self._activity.idle_s(), 1),
            "cpu_s": self._usage.cpu_s(),
            "memory_bytes": self._usage.memory_bytes(),
            **self._connections.figures(),
        }


def _is_pass(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
