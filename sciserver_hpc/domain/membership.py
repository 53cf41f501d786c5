"""Who may change a group, and how: pure rules, each from what stands to what shall stand.

A rule returns a `Change`, or None when things stand so already, so that asking twice does no harm. It raises
Refused when the asker may not, Conflict when the group or membership is not in the state the request was made
for. Only ACCEPTED memberships count for anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .access import Subject, SubjectKind
from .errors import Conflict, Refused
from .groups import (
    Accessibility,
    Group,
    Membership,
    Role,
    Source,
    Standing,
    Status,
    likeness,
    user,
)
from .people import Person, Program

RESERVED = frozenset({"everyone", "public", "admin", "admins", "site", "all", "root"})
"""Names that promise more than a group of the portal can hold."""


@dataclass(frozen=True)
class Change:
    """What becomes of a group: the group as it will be, and the memberships that change with it."""

    group: Group
    memberships: tuple[Membership, ...] = ()


MOST_OWNED = 50
"""Groups one person may own: each of their invitations lands on somebody's page."""


def create(
    person: Person,
    group: Group,
    alike: Iterable[Group],
    *,
    owned: int,
    once_used: bool,
    granted: bool,
    steward: bool = False,
) -> Change:
    """A new group of the portal, owned by `person`.

    alike: groups whose name reads like its own; owned: how many the person owns; once_used: a group of that
    name was deleted; granted: some grant names it already, so that whoever makes it would get what was meant
    for others; steward: see `Standing`.
    """
    name = group.name
    if isinstance(person, Program):
        raise Refused({f"group {name}": "a service account owns nothing; a person makes the group"})
    if owned >= MOST_OWNED and not steward:
        raise Refused({f"group {name}": f"you own {owned} groups, the most one person may; delete one first"})
    if likeness(name) in map(likeness, RESERVED):
        raise Conflict(f"The name {name} is kept for the site; choose another.")
    for other in alike:
        # Likeness must not be a way to have a private group's name spelled out.
        hidden = other.source is Source.PORTAL and other.accessibility is Accessibility.PRIVATE
        like = "a name that is taken" if hidden else f"{other.subject}, which exists"
        raise Conflict(f"{name} reads like {like}; choose another name.")
    if once_used:
        raise Conflict(f"A group {name} was deleted, and no name is given twice; choose another.")
    if granted and not steward:
        raise Conflict(f"Grants wait for a group {name} already; an administrator has to make it.")
    owner = Membership(
        group=name,
        member=user(person.username),
        role=Role.OWNER,
        status=Status.ACCEPTED,
        by=person.username,
        changed_at=group.created_at,
    )
    return Change(group.model_copy(update={"owner": person.username}), (owner,))


def describe(
    standing: Standing, description: str | None = None, accessibility: Accessibility | None = None
) -> Change | None:
    """Other words; open or closed to all, which only the owner decides."""
    standing.need(Role.ADMIN if accessibility is None else Role.OWNER)
    asked = {"description": description, "accessibility": accessibility}
    group = standing.group.model_copy(update={k: v for k, v in asked.items() if v is not None})
    return None if group == standing.group else Change(group)


def invite(
    standing: Standing,
    member: Subject,
    role: Role,
    before: Membership | None,
    above: frozenset[str],
    now: datetime,
    *,
    answers: bool = False,
) -> Change:
    """Invite a person, a service account, or a group of the portal, whose admins answer for it.

    Nobody could answer for a group of the directory: it is in at once, so only one of its own people, or an
    administrator, brings it in. `above`: the portal's groups that the group itself is in, at any depth.
    answers: the asker answers for the member too; a service account of theirs is in at once.
    """
    standing.need(Role.ADMIN)
    name = standing.group.name
    if member == user(standing.person.username):
        raise Refused({str(member): "you cannot invite yourself"})
    if member.kind is SubjectKind.EVERYONE:
        raise Refused({str(member): "make the group public, so that whoever wants to joins"})
    if role is Role.OWNER:
        raise Refused({str(member): "a group is handed over to a member, not by invitation"})
    if member.kind is not SubjectKind.USER and role is not Role.MEMBER:
        raise Refused({str(member): "only people can be admins of a group"})
    if member.kind is SubjectKind.GROUP and not (standing.steward or member.name in standing.person.groups):
        raise Refused({str(member): "only one of its own people, or an administrator, may bring it in"})
    refuse_circle(name, member, above)
    if before is not None and before.counts:
        raise Conflict(f"{member} is in group {name} already.")
    if before is not None and before.status is Status.INVITED:
        raise Conflict(f"{member} is invited to group {name} already; withdraw that to change it.")
    at_once = member.kind is SubjectKind.GROUP or (member.kind is SubjectKind.SERVICE and answers)
    made = Membership(
        group=name,
        member=member,
        role=role,
        status=Status.ACCEPTED if at_once else Status.INVITED,
        barred=before is not None and before.barred and not at_once,
        by=standing.person.username,
        changed_at=now,
    )
    return Change(standing.group, (made,))


def refuse_circle(name: str, member: Subject, above: frozenset[str]) -> None:
    """Raise Refused when `member` in group `name` would close a circle."""
    if member.kind is SubjectKind.PORTAL_GROUP and member.name in above | {name}:
        words = f"group {name} is in it already, directly or through others; groups cannot go in circles"
        itself = "a group cannot be in itself"
        raise Refused({str(member): itself if member.name == name else words})


def accept(
    standing: Standing,
    invitation: Membership | None,
    above: frozenset[str],
    now: datetime,
    owner: Membership | None = None,
) -> Change | None:
    """Come in. For a nested group, whoever may answer for it has been asked (`may_answer`).

    Of a member to whom the group is offered: own it from now on; `owner`, whose it was, stays as an admin.
    """
    if invitation is not None and invitation.counts:
        return _inherit(standing, invitation, owner, now) if _is_heir(standing.group, invitation) else None
    found = _open(standing.group, invitation)
    refuse_circle(standing.group.name, found.member, above)
    return _changed(standing, found, now, status=Status.ACCEPTED, barred=False)


def decline(standing: Standing, invitation: Membership | None, now: datetime) -> Change | None:
    """Stay out; of a member to whom the group is offered: leave it to its owner."""
    if _is_heir(standing.group, invitation):
        return Change(_kept(standing.group))
    if invitation is not None and invitation.status is Status.DECLINED:
        return None
    return _changed(standing, _open(standing.group, invitation), now, status=Status.DECLINED)


def withdraw(standing: Standing, invitation: Membership | None, now: datetime) -> Change | None:
    """Take an invitation back."""
    standing.need(Role.ADMIN)
    if _is_heir(standing.group, invitation):
        standing.need(Role.OWNER)
        return Change(_kept(standing.group))
    if invitation is not None and invitation.status is Status.WITHDRAWN:
        return None
    return _changed(standing, _open(standing.group, invitation), now, status=Status.WITHDRAWN)


def join(standing: Standing, now: datetime, behind: Iterable[Membership] = ()) -> Change | None:
    """Come into a public group without being asked. Once expelled, only an invitation brings back.

    behind: of a service account, memberships of who manages it and of the group that owns it: who was
    expelled does not come back by a program.
    """
    group, own = standing.group, standing.own
    if own is not None and own.counts:
        return None
    if group.source is Source.DIRECTORY:
        raise Refused({str(group.subject): "it is kept in the directory; ask an administrator there"})
    invited = own is not None and own.status is Status.INVITED
    if own is not None and own.barred and not invited:
        raise Refused({f"group {group.name}": "you were removed from it; ask its owner for an invitation"})
    if any(one.barred for one in behind) and not invited:
        words = "who manages this account was removed from it; ask its owner for an invitation"
        raise Refused({f"group {group.name}": words})
    if group.accessibility is not Accessibility.PUBLIC and not invited:
        raise Refused({f"group {group.name}": "it is private; ask its owner for an invitation"})
    if own is not None and invited:
        return accept(standing, own, frozenset(), now)
    me = user(standing.person.username)
    made = Membership(
        group=group.name, member=me, status=Status.ACCEPTED, by=standing.person.username, changed_at=now
    )
    return Change(group, (made,))


def leave(
    standing: Standing, membership: Membership | None, now: datetime, along: Iterable[Membership] = ()
) -> Change | None:
    """Go; an owner hands the group over first. along: of their service accounts, which go with them."""
    if membership is not None and membership.status is Status.LEFT:
        return None
    found = _in(standing.group, membership)
    if found.role is Role.OWNER:
        words = "you own it: hand it over to another member first, or delete it"
        raise Refused({str(standing.group.subject): words})
    return _changed(standing, found, now, along, status=Status.LEFT, role=Role.MEMBER)


def remove(
    standing: Standing,
    member: Subject,
    membership: Membership | None,
    now: datetime,
    along: Iterable[Membership] = (),
) -> Change | None:
    """Expel a member, or take a nested group out: admins by the owner alone, the owner by nobody.

    along: of the member's service accounts, invited ones too: who is expelled does not look on through
    these.
    """
    standing.need(Role.ADMIN)
    if membership is not None and membership.status is Status.EXPELLED:
        return None
    found = _in(standing.group, membership)
    _spare_owner(found)
    if member == user(standing.person.username):
        raise Refused({str(member): "that is you; leave the group instead"})
    if found.role is Role.ADMIN:
        standing.need(Role.OWNER)
    return _changed(standing, found, now, along, status=Status.EXPELLED, role=Role.MEMBER, barred=True)


def set_role(standing: Standing, membership: Membership | None, role: Role, now: datetime) -> Change | None:
    """Promote to admin, or demote to member: others by the owner alone, oneself by oneself."""
    standing.need(Role.ADMIN)
    found = _in(standing.group, membership)
    _spare_owner(found)
    if role is Role.OWNER:
        raise Refused({str(found.member): "a group has one owner; hand it over instead"})
    if found.member.kind is not SubjectKind.USER:
        raise Refused({str(found.member): "only people can be admins of a group"})
    if found.role is role:
        return None
    if role is Role.MEMBER and found.member != user(standing.person.username):
        standing.need(Role.OWNER)
    return _changed(standing, found, now, role=role)


def transfer(standing: Standing, heir: Membership | None, now: datetime) -> Change | None:
    """Offer the group to a member, in place of whom it was offered to; it changes hands when they accept."""
    standing.need(Role.OWNER)
    found = _in(standing.group, heir)
    if found.role is Role.OWNER or _is_heir(standing.group, found):
        return None
    if found.member.kind is not SubjectKind.USER:
        raise Refused({str(found.member): "only a person can own a group"})
    change = _changed(standing, found, now)
    return Change(standing.group.model_copy(update={"heir": found.member.name}), change.memberships)


def offer(group: Group, heir: Membership) -> Membership | None:
    """The invitation to own the group, where it is offered to this member."""
    update = {"role": Role.OWNER, "status": Status.INVITED}
    return heir.model_copy(update=update) if _is_heir(group, heir) else None


def delete(standing: Standing) -> Change:
    """The group ends, with all memberships, all grants to it; its name is not given again."""
    standing.need(Role.OWNER)
    return Change(standing.group)


def may_see(standing: Standing, *, reached: bool, asked: bool) -> bool:
    """May the asker know of the group? `reached`: they are in, at any depth; asked: invited, or answering for
    a group that is."""
    public = standing.group.accessibility is Accessibility.PUBLIC
    return public or reached or asked or standing.steward


def _open(group: Group, invitation: Membership | None) -> Membership:
    if invitation is None or invitation.status is not Status.INVITED:
        raise Conflict(f"There is no open invitation to group {group.name}.")
    return invitation


def _in(group: Group, membership: Membership | None) -> Membership:
    if membership is None or not membership.counts:
        invited = membership is not None and membership.status is Status.INVITED
        more = "; invited only: withdraw the invitation" if invited else ""
        raise Conflict(f"No such member of group {group.name}{more}.")
    return membership


def _is_heir(group: Group, membership: Membership | None) -> bool:
    member = membership.member if membership is not None and membership.counts else None
    return group.heir is not None and member == user(group.heir)


def _kept(group: Group) -> Group:
    """Offered to nobody."""
    return group.model_copy(update={"heir": None})


def _inherit(standing: Standing, heir: Membership, owner: Membership | None, now: datetime) -> Change:
    if owner is None:
        raise Conflict(f"Group {standing.group.name} has no owner; tell an administrator.")
    told = {"by": standing.person.username, "changed_at": now}
    return Change(
        standing.group.model_copy(update={"owner": heir.member.name, "heir": None}),
        (
            heir.model_copy(update={"role": Role.OWNER, **told}),
            owner.model_copy(update={"role": Role.ADMIN, **told}),
        ),
    )


def _spare_owner(membership: Membership) -> None:
    if membership.role is Role.OWNER:
        raise Refused({str(membership.member): "owns the group; only they can hand it over"})


def _changed(
    standing: Standing, old: Membership, now: datetime, along: Iterable[Membership] = (), **fields: object
) -> Change:
    told = {"by": standing.person.username, "changed_at": now}
    new = old.model_copy(update={**fields, **told})
    gone = _is_heir(standing.group, old) and not new.counts
    others = (one.model_copy(update={**fields, **told}) for one in along)
    return Change(_kept(standing.group) if gone else standing.group, (new, *others))
