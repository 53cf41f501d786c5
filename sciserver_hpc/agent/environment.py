"""The environment programs get: built, never inherited, so that nothing of the caller's reaches a job."""

from __future__ import annotations

import os
import pwd

from .problems import Problem


def account() -> pwd.struct_passwd:
    """The passwd entry of the uid this process runs as.

    Raises Problem failed where the machine knows no such user.
    """
    try:
        return pwd.getpwuid(os.getuid())
    except KeyError as error:
        raise Problem(
            "failed", f"this machine knows no user with uid {os.getuid()}; an administrator has to look"
        ) from error


def built(path: str = "/usr/bin:/bin") -> dict[str, str]:
    """HOME, USER, LOGNAME, PATH and LANG: what a login on the machine would give, and nothing else.

    Raises Problem failed.
    """
    user = account()
    return {
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "PATH": path,
        "LANG": "C.UTF-8",
    }
