"""Gates in memory: what they tell is set, what they are asked is kept.

    gates = FakeGates()
    gates.statuses[uuid] = gate_status(uuid, idle_s=4000, passes={17: 2})
    gates.closed, gates.stopped                           # in order: (address, uuid, passes or cause)

A session without a status is Unavailable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.sessions import GateStatus


class FakeGates:
    """The port `Gates`."""

    def __init__(self) -> None:
        self.statuses: dict[str, GateStatus] = {}
        self.closed: list[tuple[str, str, tuple[int, ...]]] = []
        self.stopped: list[tuple[str, str, str]] = []

    def status(self, address: str, uuid: str) -> GateStatus:
        """As set."""
        if uuid not in self.statuses:
            raise Unavailable("gate", f"nobody listens at {address}")
        return self.statuses[uuid]

    def close(self, address: str, uuid: str, passes: Sequence[int]) -> int:
        """As many as the status tells; they are gone from it then."""
        status = self.status(address, uuid)
        self.closed.append((address, uuid, tuple(passes)))
        left = {known: count for known, count in status.passes.items() if known not in passes}
        self.statuses[uuid] = status.model_copy(update={"passes": left})
        return sum(status.passes.values()) - sum(left.values())

    def stop(self, address: str, uuid: str, cause: str) -> None:
        """It does not answer any more."""
        self.status(address, uuid)
        self.stopped.append((address, uuid, cause))
        del self.statuses[uuid]


def gate_status(uuid: str, **fields: Any) -> GateStatus:
    """One of a session nobody uses, but for `fields`."""
    usual: dict[str, Any] = {"slurm_id": 1, "restarts": 0, "idle_s": 0, "cpu_s": None, "memory_bytes": None}
    return GateStatus.model_validate(
        usual | {"passes": {}, "bytes_in": 0, "bytes_out": 0, "uuid": uuid} | fields
    )
