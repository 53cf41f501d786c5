"""Is an image's file still the one that was catalogued?"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from .domain.catalogue import Image

_CHANGED = "its file changed since it was catalogued; tell an administrator"
_UNREADABLE = "its file cannot be read ({reason}); tell an administrator"


class ImageFiles:
    """Checks image files; a digest once taken counts while the file's identity, size and time stand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digests: dict[str, tuple[tuple[int, int, int], str]] = {}

    def problem(self, image: Image) -> str:
        """What is wrong with the file, in half a sentence; "" when it is the catalogued one."""
        try:
            status = Path(image.path).stat()
            if (status.st_size, status.st_mtime_ns) == (image.size, image.mtime_ns):
                return ""
            mark = (status.st_ino, status.st_size, status.st_mtime_ns)
            return "" if self._digest(image.path, mark) == image.sha256 else _CHANGED
        except OSError as error:
            return _UNREADABLE.format(reason=error.strerror)

    def _digest(self, path: str, mark: tuple[int, int, int]) -> str:
        with self._lock:
            known = self._digests.get(path)
            if known is None or known[0] != mark:
                with Path(path).open("rb") as file:
                    known = (mark, hashlib.file_digest(file, "sha256").hexdigest())
                self._digests[path] = known
            return known[1]


def no_containers(_image: Image) -> str:
    """The check of a site without a container runtime: no image's file is used."""
    return ""
