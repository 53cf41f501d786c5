"""The environment programs get: built, never inherited, so that nothing of the caller's reaches a job."""

from __future__ import annotations

import grp
import os
import pwd

from .problems import Problem

_known: dict[int, pwd.struct_passwd] = {}
"""Remembered for the life of the agent: a directory that is away must not make a user unknown."""


def account() -> pwd.struct_passwd:
    """The passwd entry of the uid this process runs as.

    Raises Problem unavailable where the machine knows no such user: the directory may be away.
    """
    uid = os.getuid()
    if uid not in _known:
        try:
            _known[uid] = pwd.getpwuid(uid)
        except KeyError as error:
            words = f"this machine does not know uid {uid} now; if that lasts, an administrator has to look"
            raise Problem("unavailable", words) from error
    return _known[uid]


def group(name: str) -> int | None:
    """The gid of the Unix group `name` on this machine; None where there is none, or where that number leads
    to another name, so that an ACL would name that one."""
    try:
        found = grp.getgrnam(name)
        return found.gr_gid if grp.getgrgid(found.gr_gid).gr_name == name else None
    except (KeyError, ValueError):
        return None


def built(path: str = "/usr/bin:/bin") -> dict[str, str]:
    """HOME, USER, LOGNAME, PATH and LANG: what a login on the machine would give, and nothing else.

    Raises Problem unavailable.
    """
    user = account()
    return {
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "PATH": path,
        "LANG": "C.UTF-8",
    }


def for_slurm(conf: str) -> dict[str, str]:
    """The same for a program of Slurm's; conf: its SLURM_CONF, '' for Slurm's default.

    Raises Problem unavailable.
    """
    return built() | ({"SLURM_CONF": conf} if conf else {})
