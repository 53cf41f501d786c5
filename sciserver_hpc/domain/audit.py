"""What was done with groups and grants, by whom, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import AwareDatetime

from .access import Resource, Subject
from .model import Model
from .people import Person


@dataclass(frozen=True)
class Asker:
    """A person in one request, whose id the audit trail carries."""

    person: Person
    request_id: str = ""


BROKER = "the broker"
"""Who brought grants to the filesystem: no username has a space."""


class Outcome(StrEnum):
    """What came of it."""

    DONE = "done"
    REFUSED = "refused"


class Entry(Model):
    """One line of the audit trail.

    act: `grant`, `revoke`, `group.invite`, `disk.applied` …; on: the thing or group; whom: whom it is about;
    detail: actions, role or end; reason: why it was refused, or what was left; request_id: as in the portal's
    log; id: 0 before it is stored; owner: whose the thing was then, "" for what is the site's.
    """

    id: int = 0
    at: AwareDatetime
    who: str
    act: str
    on: Resource
    whom: Subject | None = None
    outcome: Outcome = Outcome.DONE
    detail: str = ""
    reason: str = ""
    request_id: str = ""
    owner: str = ""


class Sieve(Model):
    """Which lines of the trail: whose, of which act, from `since` to before `until`.

    members: those too that name members of groups, which are all about groups, and the broker's.
    """

    who: str | None = None
    act: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    members: bool = True
