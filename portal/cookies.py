"""Cookies that hold a secret and nothing else."""

from __future__ import annotations

from datetime import timedelta

from werkzeug.wrappers import Response


def set_cookie(response: Response, name: str, secret: str, lifetime: timedelta) -> None:
    """`__Host-`: this host only, whole site, TLS only (RFC 6265bis). A lifetime of nothing takes it away."""
    response.set_cookie(
        name,
        secret,
        max_age=lifetime,
        path="/",
        secure=name.startswith("__Host-"),
        httponly=True,
        samesite="Lax",
    )
