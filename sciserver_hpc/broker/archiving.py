"""Jobs on their way into the archive: steps of `services.archiving`, as an errand that no turn waits for."""

from __future__ import annotations

from typing import Protocol

import structlog

from ..domain.scheduling import Owner
from .errands import Errands, Whose

log = structlog.get_logger(__name__)

KIND = "archive"

ARCHIVE: Whose = (" archive", Owner(username="nobody", uid=65534, gid=65534))
"""Nobody's agent: no cluster is called so."""

CREDIT_S = 60.0


class Archive(Protocol):
    """What there is to do; see `services.archiving.Archiving`."""

    def due(self) -> bool:
        """Is there perhaps a batch?"""
        ...

    def step(self) -> bool:
        """Archive one; False when none is left."""
        ...


class Archivist:
    """Starts an errand for each batch; the next one when it is back."""

    def __init__(self, archive: Archive, errands: Errands) -> None:
        self._archive = archive
        self._errands = errands

    def start(self) -> None:
        """Start one if it is due."""
        if self._archive.due():
            self._errands.start(KIND, {ARCHIVE: self._step}, CREDIT_S, to_agent=False)

    def _step(self) -> bool:
        done = self._archive.step()
        if done:
            log.info("jobs archived")
        return done
