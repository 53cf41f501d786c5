"""The cache: what is slow to make and the same for every state directory, kept outside the checkout."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def root() -> Path:
    """The cache directory, made when absent: what `SCISERVER_DEV_CACHE` names, else the default of root or
    of an ordinary user.

    Everybody may read it: jobs of all people run what lies there.
    """
    chosen = os.environ.get("SCISERVER_DEV_CACHE")
    default = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    return directory(Path(chosen).absolute() if chosen else default / "sciserver-hpc")


def directory(path: Path) -> Path:
    """Make `path` with its parents, readable by all whatever the umask; one that is there stays as it is."""
    for part in (*reversed(path.parents), path):
        if not part.exists():
            part.mkdir(exist_ok=True)
            part.chmod(0o755)
    return path


def digest(parts: Iterable[bytes]) -> str:
    """A key of 16 hexadecimal digits over `parts`, their number and borders included."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:16]


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the lock `name`: of two runs that would make the same thing, the second waits and finds it."""
    with (root() / f".{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch(near: Path) -> Iterator[Path]:
    """A directory beside `near`, on the same file system so that a rename moves out of it; removed at the
    end.

    A rootless build may leave files of subordinate uids behind; those an ordinary user cannot remove stay.
    """
    made = Path(tempfile.mkdtemp(prefix=f".{near.name}.", dir=directory(near.parent)))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
