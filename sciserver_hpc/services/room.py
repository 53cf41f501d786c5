"""How much more one person may start."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..domain.errors import Refused
from ..domain.jobs import JobRequest, Kind


@dataclass(frozen=True)
class Room:
    """How many unfinished jobs, and sessions among these, a person has, and may have."""

    jobs: int
    most_jobs: int
    sessions: int
    most_sessions: int

    def full(self, request: JobRequest) -> Refused | None:
        """Why there is no room for it."""
        most = "the most one person may have"
        if self.jobs >= self.most_jobs:
            words = f"you have {self.most_jobs} unfinished jobs, {most}; wait for some or cancel some"
            return Refused({"jobs": words})
        if request.kind is Kind.SESSION and self.sessions >= self.most_sessions:
            return Refused({"sessions": f"you have {self.most_sessions} sessions, {most}; stop one"})
        return None

    def after(self, request: JobRequest) -> Room:
        """With it."""
        more = 1 if request.kind is Kind.SESSION else 0
        return replace(self, jobs=self.jobs + 1, sessions=self.sessions + more)
