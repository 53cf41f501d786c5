"""Is an image's file still the one that was catalogued?"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from io import BufferedReader
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
            with _opened(image.path) as file:
                return (
                    ""
                    if self._digest(image.path, file, os.fstat(file.fileno())) == image.sha256
                    else _CHANGED
                )
        except OSError as error:
            return _UNREADABLE.format(reason=error.strerror) + TELL

    def numbers(self, path: str) -> ImageNumbers:
        """What the catalogue keeps of a file; reads all of it, once. Raises Invalid when it is no image."""
        try:
            with _opened(path) as file:
                found = os.fstat(file.fileno())
                if self._sif and file.read(_SIF_AT + len(_SIF))[_SIF_AT:] != _SIF:
                    raise Invalid({"path": "is no SIF file."})
                digest = self._digest(path, file, found)
        except OSError as error:
            raise Invalid({"path": f"cannot be read by the portal: {error.strerror}."}) from error
        return ImageNumbers(sha256=digest, size=found.st_size, mtime_ns=found.st_mtime_ns)

    def _digest(self, path: str, file: BufferedReader, found: os.stat_result) -> str:
        """Of `file`, which was opened at `path`: by now that may lead to one that is none of the asker's."""
        mark = (found.st_ino, found.st_size, found.st_mtime_ns)
        with self._lock:
            known = self._digests.get(path)
            if known is None or known[0] != mark:
                file.seek(0)
                known = (mark, hashlib.file_digest(file, "sha256").hexdigest())
                self._digests[path] = known
            return known[1]


def _opened(path: str) -> BufferedReader:
    """A regular file: a pipe must not hold us. Raises OSError."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no file")
    return file


def no_containers(_image: Image) -> str:
    """The check of a site without a container runtime: no image's file is used."""
    return ""
