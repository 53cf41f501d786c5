"""What this machine's cgroups can do for Slurm: enforce memory limits, or only watch them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
NEEDED = ("memory", "freezer", "cpuacct")


@dataclass(frozen=True)
class Constraint:
    """Options for slurm.conf and cgroup.conf, and a sentence on what they achieve."""

    slurm: dict[str, str | int]
    cgroup: dict[str, str | int]
    sentence: str


ENFORCED: Mapping[str, str | int] = {
    "ProctrackType": "proctrack/cgroup",
    "TaskPlugin": "task/cgroup",
    "JobAcctGatherType": "jobacct_gather/cgroup",
    "JobAcctGatherFrequency": "task=5",
}

WATCHED: Mapping[str, str | int] = {
    "ProctrackType": "proctrack/linuxproc",
    "TaskPlugin": "task/none",
    "JobAcctGatherType": "jobacct_gather/linux",
    "JobAcctGatherFrequency": "task=2",
    "JobAcctGatherParams": "OverMemoryKill",
}


def found(mount: Path = MOUNT) -> Constraint:
    """The strictest constraint that works here: Slurm's cgroup/v1 plugin, else polling."""
    if not all((mount / controller / "release_agent").exists() for controller in NEEDED):
        return Constraint(
            dict(WATCHED),
            {"CgroupAutomount": "no"},
            f"memory limits are only watched, every 2 s: {mount} has no version 1 controllers "
            f"{', '.join(NEEDED)}; CPU limits are not enforced",
        )
    swap = (mount / "memory" / "memory.memsw.limit_in_bytes").exists()
    return Constraint(
        dict(ENFORCED),
        {
            "CgroupPlugin": "cgroup/v1",
            "CgroupMountpoint": str(mount),
            "CgroupAutomount": "no",
            "ConstrainRAMSpace": "yes",
            "ConstrainSwapSpace": "yes" if swap else "no",
            "AllowedSwapSpace": 0,
        },
        "memory limits are enforced by cgroups; CPU limits are not: nodes claim more CPUs than there are",
    )


def tidy(mount: Path, nodes: tuple[str, ...]) -> None:
    """Remove the empty cgroups that jobs left behind; the kernel refuses those still in use."""
    if not (mount / "memory" / "release_agent").exists():
        return
    for controller in mount.iterdir():
        for node in nodes:
            top = controller / f"slurm_{node}"
            for group in sorted(top.glob("**/"), reverse=True) if top.is_dir() else []:
                try:
                    group.rmdir()
                except OSError:
                    continue
