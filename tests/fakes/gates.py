"""Gates of sessions in memory: the port `Gates`, answered as the real adapter does.

    gates = FakeGates(gate)                     # gate: where a person's gate hangs (tests/fakes/strands.py)
    one = gates.listen("10.0.0.7:40001", uuid, slurm_id=1001, owner=owner)
    one.idle_s = 30; one.open[17] = 2           # how it is used; connections by pass
    one.silent = True                           # it answers nobody any more
    gates.stops, gates.closed                   # what gates were told: (uuid, cause), (uuid, passes)

tests/gate/test_contract.py runs on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.gates import GateStatus
from sciserver_hpc.domain.scheduling import Owner

from .strands import Gate

NOBODY = Owner(username="nobody", uid=65534, gid=65534)
CAUSES = ("stopped", "idle", "time")


@dataclass
class FakeGate:
    """One that listens. open: connections by pass; barred: passes that were closed, for good."""

    uuid: str
    slurm_id: int
    restarts: int = 0
    owner: Owner = NOBODY
    idle_s: float = 0.0
    silent: bool = False
    stop: str = ""
    open: dict[int, int] = field(default_factory=dict)
    barred: set[int] = field(default_factory=set)

    def status(self) -> GateStatus:
        return GateStatus(
            uuid=self.uuid,
            slurm_id=self.slurm_id,
            restarts=self.restarts,
            idle_s=self.idle_s,
            cpu_s=1.0,
            memory_bytes=1 << 20,
            passes={number: count for number, count in self.open.items() if count},
            bytes_in=0,
            bytes_out=0,
        )


class FakeGates:
    """Those that listen, by address."""

    def __init__(self, gate: Gate | None = None) -> None:
        self._gate = gate
        self.listening: dict[str, FakeGate] = {}
        self.asked: list[tuple[str, str]] = []
        """What was asked of which session's gate, in order."""

        self.stops: list[tuple[str, str]] = []
        self.closed: list[tuple[str, tuple[int, ...]]] = []

    def listen(self, address: str, uuid: str, slurm_id: int, owner: Owner = NOBODY, **more: int) -> FakeGate:
        """From now on a gate is there."""
        self.listening[address] = FakeGate(uuid, slurm_id, owner=owner, **more)
        return self.listening[address]

    def status(self, address: str, uuid: str) -> GateStatus:
        return self._reach(address, uuid, "status").status()

    def close(self, address: str, uuid: str, passes: Sequence[int]) -> int:
        found = self._reach(address, uuid, "close")
        self.closed.append((uuid, tuple(passes)))
        found.barred |= set(passes)
        return sum(found.open.pop(number, 0) for number in passes)

    def stop(self, address: str, uuid: str, cause: str) -> None:
        found = self._reach(address, uuid, "stop")
        if cause not in CAUSES:
            raise Unavailable("gate", "its answer cannot be read")
        self.stops.append((uuid, cause))
        found.stop = found.stop or cause

    def _reach(self, address: str, uuid: str, what: str) -> FakeGate:
        self.asked.append((what, uuid))
        found = self.listening.get(address)
        if found is not None and self._gate is not None:
            self._gate.stand("gate", found.owner)
        if found is None or found.silent:
            raise Unavailable("gate", "Connection refused")
        if found.uuid != uuid:
            raise Unavailable("gate", "certificate verify failed: Hostname mismatch")
        return found
