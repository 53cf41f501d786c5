"""Is an image's file still the one that was catalogued?"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

from .domain.catalogue import TELL, Image, ImageNumbers
from .domain.errors import Invalid

_CHANGED = f"its file changed since it was catalogued{TELL}"
_UNREADABLE = "its file cannot be read ({reason})"
_SIF_AT, _SIF = 32, b"SIF_MAGIC"
"""What every SIF file has behind its launcher (github.com/apptainer/sif, docs of its header)."""


class ImageFiles:
    """Checks image files; a digest once taken counts while the file's identity, size and time stand.

    sif: whether only a SIF file is an image.
    """

    def __init__(self, *, sif: bool = True) -> None:
        self._sif = sif
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
            return _UNREADABLE.format(reason=error.strerror) + TELL

    def numbers(self, path: str) -> ImageNumbers:
        """What the catalogue keeps of a file; reads all of it, once. Raises Invalid when it is no image."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not hold us
            with os.fdopen(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                regular = stat.S_ISREG(found.st_mode)
                if not regular or (self._sif and file.read(_SIF_AT + len(_SIF))[_SIF_AT:] != _SIF):
                    raise Invalid({"path": "is no SIF file." if regular else "is no file."})
            digest = self._digest(path, (found.st_ino, found.st_size, found.st_mtime_ns))
        except OSError as error:
            raise Invalid({"path": f"cannot be read by the portal: {error.strerror}."}) from error
        return ImageNumbers(sha256=digest, size=found.st_size, mtime_ns=found.st_mtime_ns)

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
