"""Archiving: jobs that are long over leave the tables, batch by batch, and stay in files.

The order makes it safe to die anywhere: a file's name is noted, the file is written and synced, and one
transaction deletes the rows and counts the file. A file that is noted and not counted is none; its jobs have
their rows, and the next run removes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from ..domain.archive import EVERY, PAUSE, ArchivedJob, file_name
from ..domain.errors import Conflict, NotFound, SciServerError
from ..ports import ArchiveFolder, Clock, Store

BATCH = 500
"""Jobs of one file and one transaction: nobody waits long for either."""


class Archiving:
    """keep: so long after its end a job stays; None: for ever."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        folder: ArchiveFolder,
        keep: timedelta | None,
        token: Callable[[], str] = lambda: uuid4().hex[:12],
    ) -> None:
        self._store = store
        self._clock = clock
        self._folder = folder
        self._keep = keep
        self._token = token
        self._next_at: datetime | None = None
        self._running = False

    def due(self) -> bool:
        """Is there a batch to archive, as far as is known?"""
        return self._keep is not None and (self._next_at is None or self._clock.now() >= self._next_at)

    def waiting(self) -> int:
        """How many jobs would go now."""
        before = self._ended_before()
        return 0 if before is None else self._store.count_archivable(before)

    def step(self) -> bool:
        """Archive one batch; False when none is left.

        Raises Unavailable (archive, database), Conflict (somebody changed one of its jobs meanwhile): then it
        rests a little.
        """
        now = self._clock.now()
        try:
            if not self._running:
                self._tidy(now)
            self._running = self._batch(now)
        except SciServerError:
            self._running, self._next_at = False, now + PAUSE
            raise
        self._next_at = now if self._running else now + EVERY
        return self._running

    def find(self, job_id: int) -> ArchivedJob:
        """What is known of a job in the archive. Raises NotFound."""
        found = self._store.archived_by_id([job_id]).get(job_id)
        if found is None:
            raise NotFound(f"Job {job_id} is not in the archive.")
        return found

    def record(self, job_id: int) -> dict[str, Any]:
        """All of it, from its file. Raises NotFound, Unavailable (the file is missing, or damaged)."""
        found = self.find(job_id)
        for line in self._folder.read(found.file):
            record: dict[str, Any] = json.loads(line)
            if record["job"]["id"] == job_id:
                return record
        raise NotFound(f"Job {job_id} is not in {found.file}, where it should be.")

    def list(self, owner: str | None, before_id: int | None, limit: int) -> list[ArchivedJob]:
        """Those in the archive, newest first. `before_id`: the last of the page before."""
        return self._store.archived_jobs(owner, before_id, limit)

    def _ended_before(self) -> datetime | None:
        return None if self._keep is None else self._clock.now() - self._keep

    def _tidy(self, now: datetime) -> None:
        """Remove what a crash left.

        First whoever may still be writing it is shut out, and the note stays for as long as one could be.
        """
        for name in self._store.unfinished_archive_files():
            if self._store.bar_archive_file(name):
                self._folder.remove(name)
        self._store.forget_archive_files(now - EVERY)

    def _batch(self, now: datetime) -> bool:
        before = self._ended_before()
        batch = [] if before is None else self._store.archivable(before, BATCH)
        if not batch:
            return False
        job_ids = [job_id for job_id, _ in batch]
        name = file_name(job_ids, batch[0][1], self._token())
        records = self._store.archive_records(job_ids, name, now)
        self._store.begin_archive_file(name, now)
        self._folder.write(name, (record.line for record in records))
        if not self._store.archive(records, name, now):
            self._store.bar_archive_file(name)
            self._folder.remove(name)
            raise Conflict("A job to archive changed meanwhile, or another archiver runs; try again later.")
        return True
