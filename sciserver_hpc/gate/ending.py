"""Why a gate ends, and saving before it does."""

from __future__ import annotations

import os
import time

STOPPED, IDLE, TIME, NEVER, GONE, DEFECT = range(10, 16)
"""Exit codes: asked to stop, idle, time is nearly up; the app never answered, went away; a defect of the
gate's."""

CAUSES = {"stopped": STOPPED, "idle": IDLE, "time": TIME}
"""Of `stop`, in the broker's words."""

SAVE, SAVED = "save", "saved"
_LOOK_S = 0.1


def save(seconds: float) -> None:
    """Ask the wrapper to run the save hook, and wait until it has."""
    os.close(os.open(SAVE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    until = time.monotonic() + seconds
    while not os.path.exists(SAVED) and time.monotonic() < until:
        time.sleep(_LOOK_S)
