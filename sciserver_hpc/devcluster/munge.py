"""munged(8): tells the Slurm daemons which uid asks."""

from __future__ import annotations

from .accounts import owner
from .daemon import Daemon, answers
from .namespace import Command, Namespace
from .state import State, directory

SOCKET = "/run/munge/munge.socket.2"


def prepare(namespace: Namespace) -> None:
    """Make the key and the directories munged insists on owning."""
    state, munge = namespace.state, owner(namespace.state, "munge")
    key = state.secrets / "munge.key"
    if not key.exists():
        State.write(key, state.secret("munge.seed", 96), mode=0o400, owner=munge)
        (state.secrets / "munge.seed").unlink()
    directory(state.root / "munge", 0o700, munge)


def daemon(namespace: Namespace) -> Daemon:
    """munged in the foreground."""
    state = namespace.state
    argv = [
        "munged", "--foreground", f"--key-file={state.secrets / 'munge.key'}", f"--socket={SOCKET}",
        f"--pid-file={state.root / 'munge' / 'munged.pid'}", f"--seed-file={state.root / 'munge' / 'seed'}",
    ]  # fmt: skip
    socket = state.run / "munge" / "munge.socket.2"
    return Daemon("munged", Command(argv, user="munge"), lambda: answers(socket))
