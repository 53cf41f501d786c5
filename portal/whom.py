"""The part of a form that asks for somebody: typed by the start of a name, then chosen from a few."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sciserver_hpc.domain.access import EVERYONE, Subject, SubjectKind
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.groups import user

from .guard import person
from .rights import value_of
from .services import services

TYPED, CHOSEN = "q", "whom"
"""Fields of the form."""

NOBODY = "nobody called so is known here; people are, once they have logged in"


@dataclass(frozen=True)
class Match:
    """Somebody who fits. more: a person's full name."""

    subject: Subject
    more: str = ""


@dataclass(frozen=True)
class Whom:
    """What stands in the form: as typed, who fits that, and the value of who is chosen."""

    typed: str = ""
    chosen: str = ""
    matches: tuple[Match, ...] = ()
    problem: str = ""

    def subject(self) -> Subject:
        """Who is meant: the one chosen among those who fit, or the only one of exactly the name typed.

        What was chosen for another name before does not count. Raises Invalid.
        """
        if self.problem:
            raise Invalid({TYPED: self.problem})
        named = [one.subject for one in self.matches if (one.subject.name or one.subject.kind) == self.typed]
        chosen = [match.subject for match in self.matches if value_of(match.subject) == self.chosen]
        meant = chosen or (named if len(named) == 1 else [])
        if not meant:
            raise Invalid({TYPED: "choose whom you mean" if self.matches else NOBODY})
        return meant[0]


def asked(form: Mapping[str, str], kinds: Collection[SubjectKind]) -> Whom:
    """Look for who fits what was typed, among `kinds`."""
    typed, chosen = form.get(TYPED, "").strip()[:255], form.get(CHOSEN, "")
    if not typed:
        return Whom(problem="give the first letters of a name")
    try:
        found = [Match(user(one.username), one.full_name) for one in services.groups.people(typed)]
        found += [Match(program, "program") for program in services.groups.programs(typed)]
        found += [Match(group) for group in services.groups.like(person(), typed)]
    except Invalid as error:
        return Whom(typed, chosen, problem="; ".join(error.problems.values()))
    if SubjectKind.EVERYONE in kinds and "everyone".startswith(typed.lower()):
        found.append(Match(EVERYONE, "who can log in"))
    matches = tuple(match for match in found if match.subject.kind in kinds)
    return Whom(typed, chosen, matches, "" if matches else NOBODY)
