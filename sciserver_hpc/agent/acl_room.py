"""How many users and groups the ACLs of a directory can name: filesystems do not tell, so it is tried out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from .acl_rules import USER, Acl

MOST = 8_000
"""More than an extended attribute of 64 kB holds beside the fixed entries."""

_PROBE = ".sciserver-acl-probe"


def room(directory: int, attributes: Sequence[str]) -> int:
    """The number that fits into these ACLs of a directory made in `directory` and removed again.

    The entries tried give nothing. Nobody can put one of the owner's directories in its place beforehand: its
    name is not to be guessed, and what exists is not used. Raises OSError.
    """
    name = f"{_PROBE}-{os.urandom(8).hex()}"
    os.mkdir(name, 0o700, dir_fd=directory)
    probe = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        fits, too_many = 0, MOST
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            fits, too_many = (middle, too_many) if _fits(probe, middle, attributes) else (fits, middle)
        return fits
    finally:
        os.close(probe)
        with suppress(OSError):
            os.rmdir(name, dir_fd=directory)


def _fits(probe: int, count: int, attributes: Sequence[str]) -> bool:
    named = {(USER, number): 0 for number in range(1, count + 1)}
    data = Acl(7, 0, 0, 0, named).packed()
    path = f"/proc/self/fd/{probe}"
    for name in attributes:
        with suppress(OSError):
            os.removexattr(path, name)
    try:
        for name in attributes:
            os.setxattr(path, name, data)
    except OSError:
        return False
    return True
