"""The broker: brings accepted jobs to Slurm and watches them, under the service account."""

from __future__ import annotations

from .daemon import Daemon
from .namespace import Namespace
from .portal import service


def daemon(namespace: Namespace) -> Daemon:
    """The loop; it listens nowhere, so living is all it shows here (its ticks stand in `/readyz`)."""
    return Daemon("broker", service(namespace, "broker"), lambda: True)
