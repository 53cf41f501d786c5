"""What the gate of a session tells about itself, and who comes to it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .model import Model
from .names import Uuid

PROXY, BROKER = "proxy", "broker"
"""Common names of the certificates with which nginx and the broker come to a gate."""

Count = Annotated[int, Field(ge=0, le=(1 << 63) - 1)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]


class SessionRecord(Model):
    """Where the gate of a run of a job listens, as its file says.

    Hostile input: the job's owner can forge it. It holds a port alone; the node comes from Slurm.
    """

    uuid: Uuid
    slurm_id: Count
    restarts: Count
    port: int = Field(ge=1024, le=65535)


class GateStatus(Model):
    """What a gate answers to `status`.

    Hostile input too: the gate runs as the job's owner.
    """

    uuid: Uuid
    slurm_id: Count
    restarts: Count
    idle_s: Seconds
    cpu_s: Seconds | None
    memory_bytes: Count | None
    passes: dict[Count, Count]
    """Open connections by pass."""

    bytes_in: Count
    bytes_out: Count


def gate_name(uuid: str) -> str:
    """What the certificate of a session's gate is made out to."""
    return f"{uuid}.gate"
