"""How much one person may have at once. Pure.

A limit is for each person of a group. Of those that apply to a person, through whatever group, the most
generous holds: for each measure, over all domains and in each domain apart. Where none applies there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field, model_validator

from .access import Subject, SubjectKind
from .arrays import at_once
from .model import Model
from .names import Slug
from .resources import Resources


class Measure(StrEnum):
    """What is counted, over a person's unfinished jobs."""

    JOBS = "jobs"
    """An array counts as many as may run at once: `0-99%10` is ten."""

    CPUS = "cpus"
    GPUS = "gpus"


_UNITS = {Measure.JOBS: "unfinished jobs", Measure.CPUS: "CPUs", Measure.GPUS: "GPUs"}


class Limit(Model):
    """The most each person of `subject` may have at once. domain: only what runs there is counted."""

    subject: Subject
    domain: Slug | None = None
    jobs: int | None = Field(default=None, ge=0, le=1_000_000_000)
    cpus: int | None = Field(default=None, ge=0, le=1_000_000_000)
    gpus: int | None = Field(default=None, ge=0, le=1_000_000_000)

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
    """What a job in `domain` counts, or several together."""

    domain: str
    jobs: int = 1
    cpus: int = 1
    gpus: int = 0

    def times(self, count: int) -> Load:
        """That of `count` such jobs."""
        return Load(self.domain, count * self.jobs, count * self.cpus, count * self.gpus)


class Allowance(Model):
    """How much a person may have, and has. domain: None for all domains; subject: whose limit it is."""

    measure: Measure
    domain: Slug | None
    most: int
    used: int
    subject: Subject

    def counts(self, load: Load) -> int:
        """How much of `load` it is about."""
        amount: int = getattr(load, self.measure)
        return amount if self.domain in (None, load.domain) else 0

    def after(self, load: Load) -> Allowance:
        """As it stands once `load` is there too."""
        return self.model_copy(update={"used": self.used + self.counts(load)})


def load_of(domain: str, asked: Resources, array: str | None) -> Load:
    """What a job counts from its acceptance to its end."""
    tasks = at_once(array) if array else 1
    return Load(domain, tasks, tasks * asked.cpus * asked.tasks, tasks * asked.gpus * asked.nodes)


def allowances(
    limits: Iterable[Limit], subjects: frozenset[Subject], live: Iterable[Load]
) -> list[Allowance]:
    """What holds for a person who acts as `subjects` and has `live`; over all domains first."""
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
    return [_filled(found[key], loads) for key in sorted(found)]


def _filled(allowance: Allowance, loads: Iterable[Load]) -> Allowance:
    return allowance.model_copy(update={"used": sum(map(allowance.counts, loads))})


def excess(held: Iterable[Allowance], asked: Load) -> dict[str, str]:
    """Why `asked` is too much, a sentence per limit it would break; empty when there is room."""
    return {
        f"{one.measure}{_where(one)}": _sentence(one, one.counts(asked))
        for one in held
        if one.counts(asked) and one.used + one.counts(asked) > one.most
    }


def _sentence(one: Allowance, asked: int) -> str:
    limit = f"{_whose(one.subject)} may have {one.most} {_UNITS[one.measure]}{_where(one)} at once"
    if asked > one.most:
        return f"{limit}, and this asks {asked}; ask for less, or an administrator for more"
    return f"{limit}; you have {one.used}, and this asks {asked}; wait for some to end, or cancel some"


def _whose(subject: Subject) -> str:
    if subject.kind is SubjectKind.EVERYONE:
        return "everyone"
    return "you" if subject.kind is SubjectKind.USER else f"members of {subject}"


def _where(one: Allowance) -> str:
    return f" in domain {one.domain}" if one.domain else ""
