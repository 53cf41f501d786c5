"""Jobs in Slurm that carry a UUID the database does not know, kept in mind for their owners to take back."""

from __future__ import annotations

from ..domain.strays import NOTE, Stray, strays
from ..ports import Store
from .looking import Look


class Strays:
    """Writes a note where what a look shows differs from the one before."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster
        self._told: list[Stray] | None = None

    def heed(self, look: Look) -> None:
        """Take the look into account."""
        if not look.seen.live_complete:
            return
        read = {job.uuid for job in look.jobs}
        others = {one.uuid for one in look.seen.sightings if one.uuid} - read
        known = read | self._store.uuids_known(sorted(others))  # anew: a row may be lost at any time
        found = strays(self._cluster, look.seen.sightings, known)
        if found != (self._told or []) or self._told is None:
            self._store.note(f"{NOTE}{self._cluster}", {"found": [one.model_dump() for one in found]})
            self._told = found
