"""Talks to schedulers: Slurm by its command line, and none at all (local)."""

from .local import LocalScheduler
from .slurm import SlurmCommands

__all__ = ["LocalScheduler", "SlurmCommands"]
