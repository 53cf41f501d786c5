"""A command that does not outlive the thread that starts it, however that ends (PR_SET_PDEATHSIG, prctl(2)).

Started as `<agent> tether <pid of the agent> <command>…`. A slurmrestd whose input ended in the middle of a
request turns round and round for ever, so that ending its input does not end it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def command(argv: list[str]) -> list[str]:
    """What to run in place of `argv`, from a thread that stays. Raises OSError where there is no such
    program."""
    if not os.access(argv[0], os.X_OK):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
    here = os.path.dirname(os.path.abspath(__file__))
    return [sys.executable, "-I", "-S", here, "tether", str(os.getpid()), *argv]


def tether(agent: int, argv: list[str]) -> None:
    """Become `argv`, which ends with the agent. Raises OSError where it cannot be run."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() == agent:  # else it ended before this was asked for
        os.execv(argv[0], argv)  # noqa: S606 - a program and its words
