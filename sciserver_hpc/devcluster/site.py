"""The catalogue of the development cluster: what its two partitions, its images and its volumes offer to whom."""

from __future__ import annotations

from .namespace import Namespace


def prepare(namespace: Namespace) -> None:
    """Write site.toml."""
