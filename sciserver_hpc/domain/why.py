"""Why somebody may (not) do something, in a sentence that names the way the right takes. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .access import (
    ACTIONS,
    OF_THE_SITE,
    Action,
    Decision,
    Grant,
    Resource,
    ResourceKind,
    Subject,
    SubjectKind,
    asking,
)
from .model import Model

Edge = tuple[Subject, Subject]
"""A member, and a group it is in."""


class Explanation(Model):
    """The answer to "why can `user` (not) do this?". `path`: from the user to whom the grant is for."""

    allowed: bool
    sentence: str
    path: tuple[Subject, ...] = ()


@dataclass(frozen=True)
class Question:
    """Who asks why `user` may (not) do `action` to `resource`.

    edges: the memberships by which the user reaches groups; visible: which groups the asker may know of;
    owner: of the thing, where the asker may know it.
    """

    user: str
    action: Action
    resource: Resource
    asker: str
    owner: str | None = None
    edges: Iterable[Edge] = ()
    visible: Callable[[Subject], bool] = field(default=lambda _: True)

    @property
    def _who(self) -> str:
        return "you" if self.user == self.asker else self.user

    @property
    def _is(self) -> str:
        return "you are" if self.user == self.asker else f"{self.user} is"


def explain(question: Question, decision: Decision) -> Explanation:
    """Put `decision` into a sentence for the one who asks."""
    if not decision.allowed:
        return Explanation(allowed=False, sentence=_capital(_no(question, decision)))
    if decision.grant is None:
        return Explanation(allowed=True, sentence=_capital(_of_old(question, decision)))
    path = way(asking(question.user), decision.grant.subject, question.edges)
    shown = tuple(step for step in path if step in (path[0], path[-1]) or question.visible(step))
    return Explanation(
        allowed=True, sentence=_capital(_yes(question, decision.grant, path, shown)), path=shown
    )


def way(start: Subject, end: Subject, edges: Iterable[Edge]) -> tuple[Subject, ...]:
    """The shortest way from a member to a group, both included; just the two where the edges tell of none."""
    upward: dict[Subject, list[Subject]] = {}
    for member, group in edges:
        upward.setdefault(member, []).append(group)
    came: dict[Subject, Subject | None] = {start: None}
    waiting = deque([start])
    while waiting and end not in came:
        at = waiting.popleft()
        for group in upward.get(at, ()):
            if group not in came:
                came[group] = at
                waiting.append(group)
    if end not in came:
        return (start, end)
    steps = [end]
    while (before := came[steps[-1]]) is not None:
        steps.append(before)
    return tuple(reversed(steps))


def _yes(question: Question, grant: Grant, path: tuple[Subject, ...], shown: tuple[Subject, ...]) -> str:
    until = f" until {grant.expires:%Y-%m-%d %H:%M}" if grant.expires else ""
    giver = "you" if grant.granted_by == question.asker else grant.granted_by
    includes = f" (which includes {question.action})" if grant.action is not question.action else ""
    what = f"{grant.action}{includes} on {grant.resource}{until}"
    if grant.subject.kind in (SubjectKind.USER, SubjectKind.SERVICE, SubjectKind.EVERYONE):
        whom = "everyone" if grant.subject.kind is SubjectKind.EVERYONE else question._who
        return f"{giver} granted {whom} {what}."
    hidden = " (through another group)" if len(shown) < len(path) else ""
    first, *rest = shown[1:]
    groups = f"{question._is} in {first}" + "".join(f", which is in {group}" for group in rest)
    return f"{groups}{hidden}, which {giver} granted {what}."


def _of_old(question: Question, decision: Decision) -> str:
    if decision.reason == "you own it":
        return f"{question._who} {'own' if question.user == question.asker else 'owns'} {question.resource}."
    return f"{question._is} an administrator of this site."


def _no(question: Question, decision: Decision) -> str:
    if question.action not in ACTIONS[question.resource.kind]:
        return f"{decision.reason}."
    can = f"{question._who} may not {question.action} {question.resource}"
    if decision.grant is not None and decision.grant.expires is not None:
        ended = f"{decision.grant.expires:%Y-%m-%d %H:%M}"
        return f"{can}: the grant to {decision.grant.subject} ended {ended}. {_ask(question)}"
    return f"{can}: no grant for that reaches {question._who}. {_ask(question)}"


def _ask(question: Question) -> str:
    """Whom to ask. Says of no other person's thing that it exists."""
    if question.resource.kind in OF_THE_SITE:
        return "Ask an administrator."
    if question.owner == question.asker:
        return "You can grant it."
    if question.owner is None:
        return "If it exists, its owner can grant it."
    whose = "is" if question.resource.kind is not ResourceKind.USER_VOLUME else "would be"
    return f"Ask {question.owner}, whose it {whose}."


def _capital(sentence: str) -> str:
    """People's names keep their first letter."""
    return sentence[0].upper() + sentence[1:] if sentence.startswith(("you ", "the ", "there ")) else sentence
