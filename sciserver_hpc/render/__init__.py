"""From a resolved job to what its owner's agent submits: sbatch options, wrapper script, the folder's files.

Pure: no I/O but reading the wrapper's own template.
"""

from .parameters import parameters_text
from .session import Door
from .submission import Surroundings, render
from .sweep import SWEEP, sweep_text

__all__ = ["SWEEP", "Door", "Surroundings", "parameters_text", "render", "sweep_text"]
