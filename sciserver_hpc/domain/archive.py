"""Jobs that left the tables for the archive: what stays known of them, and when they may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from .jobs import Kind
from .model import Model
from .names import Username
from .states import JobState

LEAST_DAYS = 35
"""After its end a job stays so long whatever the site says: a month's hours are counted from rows, and
whoever sent a request asks by its idempotency key what became of it."""


class ArchivedJob(Model):
    """What the database keeps of a job in the archive. `file`: which of its files holds the rest."""

    job_id: int
    uuid: str
    owner: Username
    kind: Kind
    name: str
    state: JobState
    ended_at: AwareDatetime
    results: str
    """Address of the volume and the job folder in it."""

    idempotency_key: str | None = None
    file: str
    archived_at: AwareDatetime

    @property
    def sentence(self) -> str:
        """For whoever asks for the job."""
        return (
            f"Job {self.job_id} ended {self.state} on {self.ended_at:%Y-%m-%d} and is archived. Its results "
            f"are where they were, in {self.results}; for its record ask an administrator."
        )


@dataclass(frozen=True)
class ArchiveRecord:
    """A job on its way there. version: of the row as it was read; line: all of it, as JSON."""

    job: ArchivedJob
    version: int
    line: str


def file_name(job_ids: Sequence[int], ended_at: datetime, token: str) -> str:
    """`2026-03/000012-000345-<token>.jsonl.gz`: month of the ends, first and last job; none comes twice."""
    return f"{ended_at:%Y-%m}/{min(job_ids):06}-{max(job_ids):06}-{token}.jsonl.gz"


EVERY = timedelta(days=1)
"""How often the broker looks for jobs to archive."""

PAUSE = timedelta(minutes=10)
"""How long it rests after it could not."""
