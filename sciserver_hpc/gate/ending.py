"""Why a gate ends, and saving before it does."""

from __future__ import annotations

import os
import time
from contextlib import suppress

STOPPED, IDLE, TIME, NEVER, GONE, DEFECT = range(10, 16)
"""Exit codes: asked to stop, idle, time is nearly up; the app never answered, went away; a defect of the
gate's."""

CAUSES = {"stopped": STOPPED, "idle": IDLE, "time": TIME}
"""Of `stop`, in the broker's words."""

SAVED = "saved"
_LOOK_S = 0.1


def save(seconds: float) -> None:
    """Ask the wrapper to run the save hook, and wait until it has."""
    with suppress(OSError):  # nobody listens
        print("save", flush=True)
    until = time.monotonic() + seconds
    while not os.path.exists(SAVED) and time.monotonic() < until:
        time.sleep(_LOOK_S)
