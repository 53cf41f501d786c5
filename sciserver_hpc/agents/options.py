"""What agents are told in the first frame; the same names as `sciserver_hpc.agent.settings.Settings`."""

from __future__ import annotations

from typing import Literal

from ..domain.model import Model


class AgentOptions(Model):
    """Times in seconds; '' and 0 mean the agent's own default."""

    idle_s: float = 300.0
    """An agent nobody asks for so long ends."""

    min_uid: int = 1000
    """Smaller uids are system accounts, never served."""

    bin_dir: str = "/usr/bin"
    """Where sbatch and scancel are, and slurmrestd, here or in `sbin` beside it."""

    slurm_conf: str = ""
    """SLURM_CONF for them."""

    timeout_s: float = 20.0
    """For one sbatch or scancel."""

    parallel: int = 8
    """Runs of sbatch at once, per user: most of each is waiting for slurmctld."""

    submit_through: Literal["sbatch", "slurmrestd"] = "sbatch"
    """How jobs are handed to Slurm."""

    local_dir: str = ""
    """Where local jobs are kept: ~/.local/state/sciserver-hpc/local-jobs."""

    local_path: str = "/usr/local/bin:/usr/bin:/bin"
    """PATH of local jobs."""

    local_slots: int = 0
    """Local jobs at once: one per core."""
