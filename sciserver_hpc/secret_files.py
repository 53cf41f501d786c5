"""Secrets in files: read once, and refused with a sentence when the file keeps its secret badly."""

from __future__ import annotations

import os
import stat
from pathlib import Path

KEY_BYTES = 32
"""The least length of a key; what `openssl rand -hex 32` prints has twice as many characters."""

_DEFAULTS = {"admin", "changeme", "default", "demo", "dev", "example", "password", "secret", "test"}
_REMEDY = "write a new one: `umask 077; openssl rand -hex 32 > {path}`"


class SecretProblem(ValueError):
    """The file holds no good secret, or too many may read it; the message names file and remedy."""


def read_secret(path: Path, at_least: int = 1) -> str:
    """Return the secret in `path`, without surrounding white space. Raises SecretProblem.

    Refused: missing, unreadable, empty, default-looking, shorter than `at_least` bytes, or readable by anyone
    but its owner (root or this process's user) and this process's own group.
    """
    try:
        with path.open("rb") as file:
            _check_mode(path, os.fstat(file.fileno()))
            raw = file.read(65536)
    except FileNotFoundError:
        raise SecretProblem(f"{path} is missing; {_REMEDY.format(path=path)}") from None
    except OSError as error:
        raise SecretProblem(
            f"{path} cannot be read ({error.strerror}); run this as the service's user, who owns it"
        ) from None
    try:
        text = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise SecretProblem(f"{path} is not text; {_REMEDY.format(path=path)}") from None
    _check_text(path, text, at_least)
    return text


def _check_mode(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in {0, os.geteuid()}:
        owner = f"belongs to another user (uid {status.st_uid})"
        raise SecretProblem(f"{path} {owner}; run this as the service's user, who owns it")
    if mode & 0o027:
        raise SecretProblem(
            f"{path} can be read or changed by others (mode {mode:04o}); run `chmod 600 {path}`"
        )
    if mode & 0o040 and status.st_gid not in {0, os.getegid()}:
        raise SecretProblem(
            f"{path} can be read by another group (gid {status.st_gid}); run `chmod 600 {path}`"
        )


def _check_text(path: Path, text: str, at_least: int) -> None:
    if not text:
        raise SecretProblem(f"{path} is empty; {_REMEDY.format(path=path)}")
    if text.lower().rstrip("!0123456789") in _DEFAULTS or len(set(text)) == 1:
        raise SecretProblem(f"{path} holds a default that anybody can guess; {_REMEDY.format(path=path)}")
    if len(text.encode()) < at_least:
        raise SecretProblem(f"{path} is shorter than {at_least} bytes; {_REMEDY.format(path=path)}")
