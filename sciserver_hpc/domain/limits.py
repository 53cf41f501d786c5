"""How much one person may have at once, and use in a month. Pure.

A limit is for each person of a group. Of those that apply to a person, through whatever group, the most
generous holds: for each measure, over all domains and in each domain apart. Where none applies there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field, model_validator

from .access import Subject, SubjectKind
from .arrays import at_once
from .gpu_hours import at_most
from .model import Model
from .names import Slug
from .resources import Resources


class Measure(StrEnum):
    """What is counted, over a person's unfinished jobs."""

    JOBS = "jobs"
    """An array counts as many as may run at once: `0-99%10` is ten."""

    CPUS = "cpus"
    GPUS = "gpus"
    GPU_HOURS = "gpu_hours"
    """In a calendar month of UTC, over finished jobs too: see `gpu_hours`."""


_UNITS = {
    Measure.JOBS: "unfinished jobs",
    Measure.CPUS: "CPUs",
    Measure.GPUS: "GPUs",
    Measure.GPU_HOURS: "GPU hours",
}


class Limit(Model):
    """The most each person of `subject` may have at once, or use in a month (gpu_hours).

    domain: only what runs there is counted.
    """

    subject: Subject
    domain: Slug | None = None
    jobs: int | None = Field(default=None, ge=0, le=1_000_000_000)
    cpus: int | None = Field(default=None, ge=0, le=1_000_000_000)
    gpus: int | None = Field(default=None, ge=0, le=1_000_000_000)
    gpu_hours: int | None = Field(default=None, ge=0, le=1_000_000_000)

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        if all(self.most(measure) is None for measure in Measure):
            raise ValueError(f"give at least one of: {', '.join(Measure)}")
        if self.subject.kind is not SubjectKind.EVERYONE and not self.subject.name:
            raise ValueError("name the group or person it is for")
        return self

    def most(self, measure: Measure) -> int | None:
        """The limit of `measure`, where there is one."""
        most: int | None = getattr(self, measure)
        return most


@dataclass(frozen=True)
class Load:
    """What a job in `domain` counts, or several together. gpu_hours: the most it may use."""

    domain: str
    jobs: int = 1
    cpus: int = 1
    gpus: int = 0
    gpu_hours: float = 0

    def times(self, count: int) -> Load:
        """That of `count` such jobs."""
        hours = count * self.gpu_hours
        return Load(self.domain, count * self.jobs, count * self.cpus, count * self.gpus, hours)


@dataclass(frozen=True)
class Month:
    """GPU hours that count in this month, by domain, and when the next begins."""

    hours: Mapping[str, float]
    renews: datetime


class Allowance(Model):
    """How much a person may have, and has. domain: None for all domains; subject: whose limit it is.

    renews: of GPU hours, when the next month begins; used: of them those used, and those that jobs which are
    not over may use yet.
    """

    measure: Measure
    domain: Slug | None
    most: int
    used: int | float
    subject: Subject
    renews: AwareDatetime | None = None

    def counts(self, load: Load) -> int | float:
        """How much of `load` it is about."""
        amount: int | float = getattr(load, self.measure)
        return amount if self.domain in (None, load.domain) else 0

    def holds(self, more: float) -> bool:
        """Is there room for so much more? Hours are compared as seconds."""
        return round((self.used + more) * 3600) <= self.most * 3600

    def after(self, load: Load) -> Allowance:
        """As it stands once `load` is there too."""
        return self.model_copy(update={"used": self.used + self.counts(load)})


def load_of(domain: str, asked: Resources, array: str | None) -> Load:
    """What a job counts from its acceptance to its end."""
    tasks = at_once(array) if array else 1
    gpus = tasks * asked.gpus * asked.nodes
    return Load(domain, tasks, tasks * asked.cpus * asked.tasks, gpus, at_most(asked, array))


def monthly(limits: Iterable[Limit], subjects: frozenset[Subject]) -> bool:
    """Does any limit of GPU hours hold for a person who acts as `subjects`?"""
    return any(one.gpu_hours is not None and one.subject in subjects for one in limits)


def allowances(
    limits: Iterable[Limit],
    subjects: frozenset[Subject],
    live: Iterable[Load],
    month: Month | None = None,
) -> list[Allowance]:
    """What holds for a person who acts as `subjects` and has `live`; over all domains first.

    month: what they used; it may be missing where no limit of GPU hours holds.
    """
    found: dict[tuple[str, Measure], Allowance] = {}
    for limit in limits:
        for measure in Measure:
            most, key = limit.most(measure), (limit.domain or "", measure)
            if most is None or limit.subject not in subjects or (key in found and found[key].most >= most):
                continue
            found[key] = Allowance(
                measure=measure, domain=limit.domain, most=most, used=0, subject=limit.subject
            )
    loads = list(live)
    return [_filled(found[key], loads, month) for key in sorted(found)]


def _filled(allowance: Allowance, loads: Iterable[Load], month: Month | None) -> Allowance:
    if allowance.measure is not Measure.GPU_HOURS:
        return allowance.model_copy(update={"used": sum(map(allowance.counts, loads))})
    if month is None:
        raise ValueError("a limit of GPU hours holds, and what was used of them is not known")
    used = sum(hours for domain, hours in month.hours.items() if allowance.domain in (None, domain))
    return allowance.model_copy(update={"used": used, "renews": month.renews})


def excess(held: Iterable[Allowance], asked: Load) -> dict[str, str]:
    """Why `asked` is too much, a sentence per limit it would break; empty when there is room."""
    return {
        f"{one.measure}{_where(one)}": _sentence(one, one.counts(asked))
        for one in held
        if one.counts(asked) and not one.holds(one.counts(asked))
    }


def amount(value: float) -> str:
    """A number of what a limit counts, hours to a hundredth: `3`, `12.5`."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _sentence(one: Allowance, asked: float) -> str:
    if one.renews is not None:
        return _monthly_sentence(one, asked, one.renews)
    limit = f"{_whose(one.subject)} may have {one.most} {_UNITS[one.measure]}{_where(one)} at once"
    if asked > one.most:
        return f"{limit}, and this asks {asked}; ask for less, or an administrator for more"
    return f"{limit}; you have {one.used}, and this asks {asked}; wait for some to end, or cancel some"


def _monthly_sentence(one: Allowance, asked: float, renews: datetime) -> str:
    words = f"{_whose(one.subject)} may use {one.most} {_UNITS[one.measure]}{_where(one)} in a month (UTC)"
    if asked > one.most:
        words = f"{words}, and this may use {amount(asked)}"
        return f"{words}; ask for less time or fewer GPUs, or an administrator for more"
    used = f"{amount(one.used)} are used, or asked for by your jobs that are not over"
    return (
        f"{words}; {used}, and this may use {amount(asked)}; ask for less time, wait for jobs that end early "
        f"or for {renews:%Y-%m-%d}, when the month is new"
    )


def _whose(subject: Subject) -> str:
    if subject.kind is SubjectKind.EVERYONE:
        return "everyone"
    return "you" if subject.kind is SubjectKind.USER else f"members of {subject}"


def _where(one: Allowance) -> str:
    return f" in domain {one.domain}" if one.domain else ""
