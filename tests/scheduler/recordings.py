"""Answers of a real Slurm, as its commands printed them (the separator word was `xNONCE`)."""

from __future__ import annotations

from pathlib import Path

from sciserver_hpc.domain.scheduling import Sighting
from sciserver_hpc.scheduler import sacct, squeue
from sciserver_hpc.scheduler.rows import Row

NONCE = "xNONCE"
HERE = Path(__file__).parent / "recorded" / "slurm-22.05"
FORGED = 71
"""Its name ends with the uuid of job 62, in a row made up inside that name."""

GAMES, SLURM = 5, 64030
"""Uids the recorded jobs ran as."""


def recorded(name: str) -> str:
    return (HERE / f"{name}.txt").read_bytes().decode()


def live(name: str = "squeue-every-kind") -> list[Row]:
    return squeue.parse(recorded(name), NONCE)


def accounted(name: str = "sacct-every-kind") -> list[Row]:
    return sacct.parse(recorded(name), NONCE)


def uuid(number: int) -> str:
    """The recorded jobs' uuids were numbered."""
    return f"{number:032x}"


def only(sightings: list[Sighting], number: int, uid: int = GAMES) -> Sighting:
    [found] = [s for s in sightings if s.uuid == uuid(number) and s.uid == uid and s.slurm_id != FORGED]
    return found
