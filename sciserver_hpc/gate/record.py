"""The record `session.json`: where the gate of which run of which job is."""

from __future__ import annotations

import json
import os
from contextlib import suppress


def publish(path: str, record: dict[str, object]) -> None:
    """Write it 0600; readers see the whole of it or nothing, also after a crash of the node. Raises
    OSError."""
    fresh = f"{path}.{os.getpid()}.new"
    with suppress(FileNotFoundError):  # of a run on another node, cut short
        os.unlink(fresh)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="ascii") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(handle)
    os.replace(fresh, path)
