"""Where to go after a login: only to a page of ours."""

from __future__ import annotations

from urllib.parse import urlsplit

HOME = "/"


def local(target: str | None) -> str:
    """Return `target` when it is a path on this site, else the home page.

    Browsers read a backslash as a slash and drop control characters, so neither is let through.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return HOME
    if "\\" in target or not target.isprintable():
        return HOME
    parts = urlsplit(target)
    return HOME if parts.scheme or parts.netloc else target
