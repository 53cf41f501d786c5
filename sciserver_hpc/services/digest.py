"""What the database keeps of a secret."""

from __future__ import annotations

import hashlib


def digest(secret: str) -> str:
    """Sha256, hex. Enough for 256 random bits: nothing to guess, so no salt and no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
