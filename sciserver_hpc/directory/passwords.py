"""Password hashes of a file of users: scrypt (RFC 7914), as `scrypt$<n>$<r>$<p>$<salt hex>$<hash hex>`."""

from __future__ import annotations

import hashlib
import hmac
import os
import re

_N, _R, _P = 2**14, 8, 1
_LONGEST = 1024
_MEMORY = 64 * 2**20
_FORM = re.compile(r"scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([0-9a-f]{16,128})\$([0-9a-f]{64})\Z")


def hashed(password: str) -> str:
    """A new hash of `password`, with a salt of its own.

    Raises ValueError for a password nobody could log in with.
    """
    if not acceptable(password):
        raise ValueError(f"a password has 1 to {_LONGEST} characters, and no NUL")
    salt = os.urandom(16)
    return f"scrypt${_N}${_R}${_P}${salt.hex()}${_scrypt(password, salt, _N, _R, _P).hex()}"


def acceptable(password: str) -> bool:
    """True for a password one can have: not empty, not endless, no NUL.

    Scrypt keys an HMAC, which pads with NUL (RFC 2104): `x` and `x\\0` would be one password.
    """
    return 0 < len(password) <= _LONGEST and "\0" not in password


def check_form(text: str) -> str:
    """`text` when it is a hash of ours.

    Raises ValueError, also for costs that scrypt refuses or that need over 64 MiB.
    """
    found = _FORM.match(text)
    if found is None:
        raise ValueError("no password hash; it looks like scrypt$16384$8$1$<salt>$<hash>")
    n, r, p = (int(found[index]) for index in (1, 2, 3))
    if n < 2**12 or n & (n - 1) or not r or not p or 128 * r * (n + p) > _MEMORY:
        raise ValueError("the password hash's costs are out of bounds; make the entry anew")
    return text


def matches(password: str, text: str) -> bool:
    """True when `text` (see `check_form`) is a hash of `password`; the work is done in any case."""
    _, n, r, p, salt, expected = text.split("$")
    actual = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(actual, bytes.fromhex(expected)) and acceptable(password)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = password[:_LONGEST].encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=2 * _MEMORY, dklen=32)
