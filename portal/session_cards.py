"""Sessions as their cards show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sciserver_hpc.domain.errors import AgentError, NotFound, Unavailable
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.resources import duration
from sciserver_hpc.domain.session_views import Phase, SessionView
from sciserver_hpc.domain.sessions import Session, SessionMode
from sciserver_hpc.domain.states import JobState

from .guard import person
from .log_text import text_of
from .services import services
from .states import LOOKS, PHASES, Look

Found = tuple[Job, Session]
TAIL = 4000
"""Bytes of a log's end shown once a session is over."""

_QUIET = (JobState.SUCCEEDED, JobState.CANCELLED)
"""Ends of a session of which its sentence says enough."""


@dataclass(frozen=True)
class Meter:
    """What is used of something asked for, between 0 and 1, and in words."""

    label: str
    share: float
    text: str


@dataclass(frozen=True)
class Card:
    """A session, and what the one who looks may do with it. left, idle: in words, "" where unknown."""

    view: SessionView
    own: bool
    may_use: bool
    look: Look
    left: str
    idle: str
    meters: tuple[Meter, ...]

    @property
    def id(self) -> int:
        """The session's, and its job's."""
        return self.view.id

    @property
    def open(self) -> bool:
        """Can one come in now?"""
        return self.view.phase is Phase.OPEN

    @property
    def over(self) -> bool:
        """Has it ended?"""
        return self.view.phase is Phase.OVER


def cards(found: Sequence[Found]) -> list[Card]:
    """The cards of these sessions, in their order."""
    now, me = services.clock.now(), person()
    return [
        _card(view, me.username == job.owner, me.username == job.owner or _may_use(job, session), now)
        for (job, session), view in zip(found, services.sessions.shown(person(), found), strict=True)
    ]


def mine() -> list[Card]:
    """Those of who asks: what is not over, then what is, each newest first."""
    return sorted(cards(services.sessions.list(person())), key=lambda card: card.over)


def tail(card: Card) -> str:
    """The end of the log of one's own session that is over: of its errors, else of its output."""
    if not (card.own and card.over):
        return ""
    return _end_of(card.id, "stderr") or _end_of(card.id, "stdout")


def _end_of(job_id: int, stream: Literal["stdout", "stderr"]) -> str:
    try:
        chunk = services.results.log(person(), job_id, stream, -TAIL, TAIL)
    except (AgentError, NotFound, Unavailable):
        return ""
    return text_of(chunk.data, last=True)[0].strip("\n")


def _may_use(job: Job, session: Session) -> bool:
    return bool(services.admitting.may(person(), SessionMode.USE, job, session))


def _card(view: SessionView, own: bool, may_use: bool, now: datetime) -> Card:
    end = view.ends_at if view.phase is Phase.OPEN else None
    return Card(
        view=view,
        own=own,
        may_use=may_use,
        look=LOOKS[view.job.state] if _ended_badly(view) else PHASES[view.phase],
        left=duration(max(0, int((end - now).total_seconds()))) if end else "",
        idle=_idle(view) if view.phase is Phase.OPEN else "",
        meters=tuple(_meters(view)) if view.phase is Phase.OPEN else (),
    )


def _ended_badly(view: SessionView) -> bool:
    return view.phase is Phase.OVER and view.job.state not in _QUIET


def _idle(view: SessionView) -> str:
    if view.idle_s is None:
        return ""
    return "in use" if view.idle_s < 60 else f"unused for {duration(int(view.idle_s))}"


def _meters(view: SessionView) -> list[Meter]:
    asked, found = view.job.resources, []
    if view.cpu_percent is not None:
        used = view.cpu_percent / 100
        words = f"{used:.1f} of {asked.cpus} CPU{'s' if asked.cpus > 1 else ''}"
        found.append(Meter("CPU", min(1.0, used / asked.cpus), words))
    if view.memory_bytes is not None:
        used, most = view.memory_bytes / 2**30, asked.memory_mb / 1024
        found.append(Meter("Memory", min(1.0, used / most), f"{used:.1f} of {most:.1f} GB"))
    return found
