"""Makes a notebook's page in a process of its own.

A hostile file then costs that process its few seconds, and not everybody the portal.
"""

from __future__ import annotations

import subprocess
import sys
from threading import BoundedSemaphore

from sciserver_hpc.domain.errors import Unavailable

from . import notebook

WAIT_S = 30.0
"""For a page, and for a turn."""

AT_ONCE = 2
"""Pages that one worker makes side by side."""

TOO_COSTLY = "This notebook takes too long to show here. Download it instead."

_turns = BoundedSemaphore(AT_ONCE)


def page(data: bytes) -> str:
    """The HTML document that shows the notebook, or says why it cannot be shown. Raises Unavailable."""
    if not _turns.acquire(timeout=WAIT_S):
        raise Unavailable(
            "the notebook viewer", "it is busy; try again in a minute, or download the notebook"
        )
    try:
        return _made(data)
    finally:
        _turns.release()


def _made(data: bytes) -> str:
    """-I and no environment: nothing but this installation decides what runs."""
    argv = [sys.executable, "-I", notebook.__file__]
    try:
        done = subprocess.run(argv, input=data, capture_output=True, env={}, timeout=WAIT_S, check=False)
    except subprocess.TimeoutExpired:
        return notebook.notice(TOO_COSTLY)
    return done.stdout.decode() if done.returncode == 0 else notebook.notice(TOO_COSTLY)
