"""Who may give and take rights: pure. Nobody hands out what they lack, nor for longer than they have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime

from .access import (
    ACTIONS,
    GIVEN_BY,
    OF_THE_SITE,
    SITE,
    Acting,
    Action,
    Grant,
    Resource,
    ResourceKind,
    Subject,
    SubjectKind,
    asking,
    decide,
    empowered,
    enough,
    owner_of,
)
from .errors import Invalid, Refused
from .model import Model

NO_POWERS = (
    "powers over the site are for people and groups of the directory; "
    "who is in a group of the portal its own admins decide, who would hand the power on"
)


class Share(Model):
    """A grant as it stands in the database."""

    id: int
    grant: Grant
    created_at: AwareDatetime


@dataclass(frozen=True)
class Giver:
    """Who gives or takes rights on one thing.

    grants: those on it, and for what is the site's also on the site, that reach them; owner: the thing's.
    """

    acting: Acting
    resource: Resource
    grants: Sequence[Grant]
    owner: str | None = None

    @property
    def owns(self) -> bool:
        """Do they give as the owner, or for the site?"""
        person, owner = self.acting.person, self.owner or owner_of(self.resource)
        return owner == person.username or (person.admin and self.resource.kind in OF_THE_SITE)

    def rules(self, now: datetime) -> bool:
        """Do they give for the site by a power over such things, or as `owns`?"""
        power = GIVEN_BY.get(self.resource.kind)
        return self.owns or (power is not None and self.until(power, now) != now)

    def until(self, action: Action, now: datetime) -> datetime | None:
        """How long their own right to `action` lasts: None for ever; `now` when they have none."""
        mine = [
            grant
            for grant in self.grants
            if grant.action in enough(action) and grant.subject in self.acting.subjects and grant.lives(now)
        ]
        if any(grant.expires is None for grant in mine):
            return None
        return max((grant.expires for grant in mine if grant.expires is not None), default=now)


def give(
    giver: Giver, subject: Subject, actions: Iterable[Action], expires: datetime | None, now: datetime
) -> list[Grant]:
    """The grants that `giver` makes. Raises Invalid; Refused naming each action that is not theirs."""
    resource, wanted = giver.resource, sorted(set(actions))
    _check_form(resource, subject, wanted, expires, now, giver)
    refused = {
        f"{action} {resource}": reason
        for action in wanted
        if (reason := _why_not(giver, action, expires, now))
    }
    if refused:
        raise Refused(refused)
    return [
        Grant(
            subject=subject,
            action=action,
            resource=resource,
            granted_by=giver.acting.person.username,
            expires=expires,
        )
        for action in wanted
    ]


NO_EVERYONE = (
    "a filesystem knows no everyone, and this site names no Unix group for it ([sharing] everyone_group); "
    "name people or groups"
)


NOT_YOURS = "only its owner and who made the grant may revoke it"


def storable(resource: Resource, subject: Subject) -> bool:
    """Can a filesystem keep the grant, where no Unix group stands for everyone?"""
    return resource.kind is not ResourceKind.USER_VOLUME or subject.kind is not SubjectKind.EVERYONE


def take(giver: Giver, grant: Grant, now: datetime, *, answers: bool) -> None:
    """May the grant be revoked? Raises Refused.

    By the thing's owner (who administers it, for what is the site's), by who gave it, and by those it is for.
    `answers`: the asker administers the group it is for.
    """
    me = giver.acting.person.username
    if grant.granted_by == SITE:
        raise Refused({str(grant.resource): "this grant stands in the site's catalogue; change it there"})
    mine = grant.subject == asking(me) or answers
    if not (giver.rules(now) or mine or grant.granted_by == me):
        raise Refused({str(grant.resource): NOT_YOURS})


def _check_form(
    resource: Resource,
    subject: Subject,
    actions: Sequence[Action],
    expires: datetime | None,
    now: datetime,
    giver: Giver,
) -> None:
    if resource.kind is ResourceKind.GROUP:
        raise Refused({str(resource): "what one may do in a group comes with membership; invite them"})
    if resource.kind is ResourceKind.SERVICE:
        raise Refused({str(resource): "its owner manages it, or the admins of the group that owns it"})
    problems: dict[str, str] = {}
    if not actions or not set(actions) <= set(ACTIONS[resource.kind]):
        problems["actions"] = f"choose from: {', '.join(ACTIONS[resource.kind])}"
    if expires is not None and expires <= now:
        problems["expires"] = "lies in the past"
    if problems:
        raise Invalid(problems)
    if subject.kind is SubjectKind.USER and subject.name == (giver.owner or owner_of(resource)):
        raise Refused({str(subject): f"owns {resource} and may do all of that"})
    if resource.kind is ResourceKind.SITE and not empowered(subject):
        raise Refused({str(subject): NO_POWERS})
    by_power = resource.kind in GIVEN_BY and giver.rules(now)
    if subject.kind is SubjectKind.EVERYONE and not (giver.acting.person.admin or by_power):
        raise Refused({str(subject): "only administrators share with everyone; name people or groups"})


def _why_not(giver: Giver, action: Action, expires: datetime | None, now: datetime) -> str:
    """Why `action` is not the giver's to give; "" when it is."""
    if giver.owns:
        return ""
    power = GIVEN_BY.get(giver.resource.kind)
    if power is not None and giver.rules(now):
        return _too_long(giver.until(power, now), expires)
    for needed in (Action.GRANT, action):
        decision = decide(giver.acting, needed, giver.resource, giver.grants, now, giver.owner)
        if not decision:
            return "you may not give what you lack yourself" if needed is action else decision.reason
        if words := _too_long(giver.until(needed, now), expires):
            return words
    return ""


def _too_long(last: datetime | None, expires: datetime | None) -> str:
    """What speaks against giving until `expires`, by a right that holds until `last`; "" for nothing."""
    if last is None or (expires is not None and expires <= last):
        return ""
    return f"your own right ends {last:%Y-%m-%d %H:%M}; give it until then at most"
