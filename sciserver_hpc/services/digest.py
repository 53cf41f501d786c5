"""What the database keeps of a secret."""

from __future__ import annotations

import hashlib
import secrets

PREFIX = "sht_"
"""What a token's secret starts with, so that scanners can find one that leaked."""


def new_secret(prefix: str = PREFIX) -> str:
    """A secret: 256 random bits."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Sha256, hex. Enough for 256 random bits: nothing to guess, so no salt and no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
