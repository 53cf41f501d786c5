"""What a client's `hello` tells the agent; it holds for that client's connection."""

from __future__ import annotations

import os

from .problems import Problem


class Settings:
    """Plain values with their defaults.

    idle_s: seconds without a request after which the agent ends; min_uid: it refuses to serve as a smaller
    uid; bin_dir: where sbatch and scancel are; slurm_conf: SLURM_CONF for them ('' for Slurm's default);
    timeout_s: for one call of either; parallel: sbatch calls at once; local_dir: where local jobs are kept
    ('' for ~/.local/state/sciserver-hpc/local-jobs); local_path: PATH of local jobs; local_slots: local
    jobs at once (0: one per core); submit_through: `sbatch`, or `slurmrestd` for those jobs it is known to
    take as sbatch does.
    """

    __slots__ = (
        "bin_dir",
        "idle_s",
        "local_dir",
        "local_path",
        "local_slots",
        "min_uid",
        "parallel",
        "slurm_conf",
        "submit_through",
        "timeout_s",
    )

    def __init__(self, given: dict[str, object]) -> None:
        unknown = set(given) - set(self.__slots__)
        if unknown:
            raise Problem(
                "invalid", f"unknown agent setting {sorted(unknown)[0]!r}; are both ends of one version?"
            )
        self.idle_s = _number(given, "idle_s", 300.0)
        self.min_uid = int(_number(given, "min_uid", 1000))
        self.timeout_s = _number(given, "timeout_s", 20.0)
        self.parallel = max(1, int(_number(given, "parallel", 8)))
        self.bin_dir = _text(given, "bin_dir", "/usr/bin")
        self.slurm_conf = _text(given, "slurm_conf", "")
        self.submit_through = _text(given, "submit_through", "sbatch")
        self.local_dir = _text(given, "local_dir", "")
        self.local_path = _text(given, "local_path", "/usr/local/bin:/usr/bin:/bin")
        self.local_slots = int(_number(given, "local_slots", 0)) or len(os.sched_getaffinity(0))


def _number(given: dict[str, object], name: str, default: float) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Problem("invalid", f"agent setting {name!r} is not a number")
    return float(value)


def _text(given: dict[str, object], name: str, default: str) -> str:
    value = given.get(name, default)
    if not isinstance(value, str) or "\0" in value:
        raise Problem("invalid", f"agent setting {name!r} is not text")
    return value
