"""What the agent refuses, as a reason for programs and a sentence for people."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

_BY_ERRNO = {
    errno.ENOENT: ("not_found", "there is no {what}"),
    errno.EACCES: ("denied", "you may not access {what}; ask its owner"),
    errno.EPERM: ("denied", "you may not change {what}; ask its owner"),
    errno.EROFS: ("denied", "{what} is on a filesystem that is read-only here"),
    errno.ENOSPC: ("no_space", "no space left for {what}; delete files there, or choose another volume"),
    errno.EDQUOT: (
        "no_space",
        "your quota is used up at {what}; delete files there, or choose another volume",
    ),
    errno.EFBIG: ("no_space", "{what} would be larger than this filesystem allows"),
    errno.ENOTDIR: ("invalid", "{what} is not a directory (symbolic links are not followed)"),
    errno.EISDIR: ("invalid", "{what} is a directory"),
    errno.ELOOP: ("invalid", "{what} is a symbolic link; links are not followed"),
    errno.EEXIST: ("invalid", "{what} exists already"),
    errno.ENAMETOOLONG: ("invalid", "the name {what} is too long"),
}


class Problem(Exception):
    """`reason`: not_found, denied, no_space, too_large, invalid, unsupported, failed; refused, unavailable
    where Slurm said so."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def from_os(error: OSError, what: str) -> Problem:
    """The problem that `error` is, said of `what`."""
    words = os.strerror(error.errno) if error.errno else str(error)
    fallback = ("failed", "{what}: " + words.replace("{", "").replace("}", ""))
    reason, sentence = _BY_ERRNO.get(error.errno or 0, fallback)
    return Problem(reason, sentence.format(what=what))


@contextmanager
def about(what: str) -> Iterator[None]:
    """Turn an OSError inside into a Problem said of `what`."""
    try:
        yield
    except OSError as error:
        raise from_os(error, what) from error
