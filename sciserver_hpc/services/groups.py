"""Groups: made, described, ended; people and other groups come in and go."""

from __future__ import annotations

from collections.abc import Callable

from ..domain import membership as rules
from ..domain.access import Resource, ResourceKind, Subject, SubjectKind, own_subjects
from ..domain.audit import Asker
from ..domain.errors import NotFound, Refused
from ..domain.groups import (
    Accessibility,
    Group,
    Membership,
    Role,
    Source,
    Standing,
    Status,
    portal_group,
    user,
)
from ..domain.membership import Change
from ..domain.model import Model
from ..domain.people import Person, Program
from ..ports import Clock, Directory, Store, Waker
from .known import Known
from .trail import Act, Trail

LONGEST_PAGE = 500

Rule = Callable[[Standing, Membership | None], Change | None]
"""What a rule is asked with beside its own parameters: who asks, and the membership it is about."""


class GroupSeen(Model):
    """A group as one person sees it. role: of their own membership; member: are they in, at any depth?"""

    group: Group
    role: Role | None = None
    member: bool = False


class Groups:
    """The use cases around groups. A group the asker may not know of is always NotFound.

    waker: what is granted to a group follows its members on the filesystem.
    """

    def __init__(self, store: Store, directory: Directory, clock: Clock, waker: Waker) -> None:
        self._store = store
        self._waker = waker
        self._directory = directory
        self._clock = clock
        self._known = Known(store, directory, clock)
        self._trail = Trail(store, clock)

    # looking --------------------------------------------------------------------------------------
    def mine(self, person: Person) -> list[GroupSeen]:
        """The groups of both sources that the person is in, at any depth, by name."""
        own = self._store.memberships_of([user(person.username)], [Status.ACCEPTED])
        roles = {membership.group: membership.role for membership in own}
        return [
            GroupSeen(
                group=group,
                role=roles.get(group.name) if group.source is Source.PORTAL else None,
                member=True,
            )
            for group in self._store.groups_reached(own_subjects(person))
        ]

    def public(self, after: str = "", limit: int = 100) -> list[Group]:
        """Groups anybody may join, by name. `after`: last name of the page before."""
        return self._store.public_groups(after, max(1, min(limit, LONGEST_PAGE + 1)))

    def get(self, person: Person, name: str) -> GroupSeen:
        """A group the person may know of. Raises NotFound."""
        group, own = self._known.group(person, name)
        role = own.role if own is not None and own.counts else None
        inside = role is not None or group.subject in self._store.reach(own_subjects(person))
        return GroupSeen(group=group, role=role, member=inside)

    def members(
        self, person: Person, name: str, after: Subject | None = None, limit: int = 100
    ) -> list[Membership]:
        """Who is in, for those who are. `after`: last member of the page before. Raises NotFound, Refused."""
        seen = self.get(person, name)
        if not (seen.member or self._known.steward(person)):
            raise Refused({f"group {name}": "only its members see who is in it"})
        return self._store.members(name, [Status.ACCEPTED], after, max(1, min(limit, LONGEST_PAGE + 1)))

    def invitations(self, person: Person, name: str, after: Subject | None = None) -> list[Membership]:
        """Open invitations to a group, for its admins; first that to own it. Raises NotFound, Refused."""
        group, own = self._known.group(person, name)
        self._known.standing(person, group, own).need(Role.ADMIN)
        heir = self._store.membership(name, user(group.heir)) if group.heir and after is None else None
        offered = rules.offer(group, heir) if heir is not None else None
        found = self._store.members(name, [Status.INVITED], after, LONGEST_PAGE)
        return found if offered is None else [offered, *found]

    def invited(self, person: Person) -> list[Membership]:
        """Open invitations the person may answer: to own groups, to them, to groups they administer, to
        service accounts of either."""
        mine = [portal_group(name) for name in self._store.administered(person.username)]
        offers = (rules.offer(*found) for found in self._store.offered(person.username))
        owners = [user(person.username), *mine]
        programs = [account.subject for account in self._store.service_accounts_of(owners)]
        invitations = self._store.memberships_of([*owners, *programs], [Status.INVITED])
        return [*(one for one in offers if one is not None), *invitations]

    def above(self, person: Person, name: str) -> list[Membership]:
        """What the group itself is in, as far as the person may know of that. Raises NotFound."""
        self._known.group(person, name)
        found = self._store.memberships_of([portal_group(name)], [Status.ACCEPTED])
        return [
            membership for membership in found if self._known.sees(person, portal_group(membership.group))
        ]

    def waiting(self, person: Person) -> int:
        """How many `invited` would list: cheap, for every page tells it."""
        return self._store.count_invitations(person.username)

    def people(self, prefix: str) -> list[Person]:
        """See `Known.search`."""
        return self._known.search(prefix)

    def like(self, person: Person, prefix: str) -> list[Subject]:
        """A few groups the person may know of whose names start so. Raises Invalid."""
        return self._known.groups_like(person, prefix)

    def programs(self, prefix: str) -> list[Subject]:
        """See `Known.services_like`."""
        return [account.subject for account in self._known.services_like(prefix)]

    # the group itself -----------------------------------------------------------------------------
    def create(
        self, asker: Asker, name: str, description: str, accessibility: Accessibility
    ) -> tuple[Group, bool]:
        """Make a group; False with the one the asker made of the same words before.

        Raises Conflict, Unavailable (whether the directory has a group of that name must be known).
        """
        group = Group(
            name=name, description=description, accessibility=accessibility, created_at=self._clock.now()
        )
        in_directory = self._directory.has_group(name)
        told = Act("group.create", _on(name), detail=accessibility, owner=asker.person.username)
        with self._trail.acting(asker, told) as act:
            there = self._store.group(name)
            if there is not None and _same(there, group, asker.person):
                act.told = False
                return there, False
            alike = self._store.groups_alike(name)
            if in_directory:
                alike.append(group.model_copy(update={"source": Source.DIRECTORY}))
            change = rules.create(
                asker.person,
                group,
                alike,
                owned=self._store.count_owned(asker.person.username),
                once_used=self._store.group_once(name),
                granted=self._store.named_in_grants(name),
                steward=self._known.steward(asker.person),
            )
            self._store.add_group(change.group)
            self._store.put_memberships(change.memberships)
            return change.group, True
        raise AssertionError("the block above returns or raises")

    def describe(
        self,
        asker: Asker,
        name: str,
        description: str | None = None,
        accessibility: Accessibility | None = None,
    ) -> GroupSeen:
        """Change words or accessibility. Raises NotFound, Refused."""
        self._known.group(asker.person, name)
        self._apply(
            asker,
            Act("group.describe", _on(name), detail=accessibility or ""),
            lambda standing, _: rules.describe(standing, description, accessibility),
        )
        return self.get(asker.person, name)

    def delete(self, asker: Asker, name: str) -> None:
        """End the group, its memberships and the grants to it. Raises NotFound, Refused."""
        self._known.group(asker.person, name)
        with self._trail.acting(asker, Act("group.delete", _on(name))) as act:
            standing = self._standing(asker.person, name)
            act.owner = standing.group.owner
            rules.delete(standing)
            self._store.delete_group(name, self._clock.now())
        self._waker.wake()

    # coming in ------------------------------------------------------------------------------------
    def invite(self, asker: Asker, name: str, member: Subject, role: Role = Role.MEMBER) -> Membership:
        """Invite a person, a service account or a group.

        Raises NotFound, Invalid (nobody known here), Refused, Conflict.
        """
        self._known.group(asker.person, name)
        self._known.check(asker.person, member, "member")
        return self._change(
            asker,
            "invite",
            name,
            member,
            lambda standing, before: rules.invite(
                standing,
                member,
                role,
                before,
                self._above(name),
                self._clock.now(),
                answers=self._known.answers(asker.person, member),
            ),
            role,
        )

    def accept(self, asker: Asker, name: str, member: Subject | None = None) -> Membership:
        """Accept one's own invitation, or that of a group one administers; own a group that is offered.

        Raises as `decline`; Refused.
        """

        def rule(standing: Standing, found: Membership | None) -> Change | None:
            owner = self._store.membership(name, user(standing.group.owner))
            return rules.accept(standing, found, self._above(name), self._clock.now(), owner)

        return self._answer(asker, "accept", name, member, rule)

    def decline(self, asker: Asker, name: str, member: Subject | None = None) -> Membership:
        """Decline one. Raises NotFound, Conflict."""
        return self._answer(
            asker,
            "decline",
            name,
            member,
            lambda standing, found: rules.decline(standing, found, self._clock.now()),
        )

    def withdraw(self, asker: Asker, name: str, member: Subject) -> Membership:
        """Take an invitation back. Raises NotFound, Refused, Conflict."""
        self._known.group(asker.person, name)
        return self._change(
            asker,
            "withdraw",
            name,
            member,
            lambda standing, found: rules.withdraw(standing, found, self._clock.now()),
        )

    def join(self, asker: Asker, name: str) -> Membership:
        """Join a public group. Raises NotFound, Refused."""
        self._known.group(asker.person, name)
        me = user(asker.person.username)
        return self._change(
            asker,
            "join",
            name,
            me,
            lambda standing, _: rules.join(standing, self._clock.now(), self._behind(name, asker.person)),
        )

    # going, and roles -------------------------------------------------------------------------------
    def leave(self, asker: Asker, name: str, member: Subject | None = None) -> Membership:
        """Leave, or take a group one administers out of another. Raises NotFound, Refused, Conflict."""
        return self._answer(
            asker,
            "leave",
            name,
            member,
            lambda standing, found: rules.leave(standing, found, self._clock.now(), self._along(name, found)),
        )

    def remove(self, asker: Asker, name: str, member: Subject) -> Membership:
        """Expel a person, or take a nested group out. Raises NotFound, Refused, Conflict."""
        self._known.group(asker.person, name)
        return self._change(
            asker,
            "remove",
            name,
            member,
            lambda standing, found: rules.remove(
                standing, member, found, self._clock.now(), self._along(name, found, Status.INVITED)
            ),
        )

    def set_role(self, asker: Asker, name: str, member: Subject, role: Role) -> Membership:
        """Promote or demote. Raises NotFound, Refused, Conflict."""
        self._known.group(asker.person, name)
        return self._change(
            asker,
            "role",
            name,
            member,
            lambda standing, found: rules.set_role(standing, found, role, self._clock.now()),
            role,
        )

    def transfer(self, asker: Asker, name: str, member: Subject) -> Membership:
        """Offer the group to a member; the invitation to own it, or their membership where they do.

        Raises NotFound, Invalid (they are gone), Refused, Conflict.
        """
        self._known.group(asker.person, name)
        self._known.check(asker.person, member, "member")
        heir = self._change(
            asker,
            "transfer",
            name,
            member,
            lambda standing, found: rules.transfer(standing, found, self._clock.now()),
        )
        group = self._store.group(name)
        return (rules.offer(group, heir) if group is not None else None) or heir

    # ------------------------------------------------------------------------------------------------
    def _answer(self, asker: Asker, act: str, name: str, member: Subject | None, rule: Rule) -> Membership:
        """Let `rule` decide for whom the asker answers, now and also when our turn comes."""
        whom = self._answering(asker.person, name, member)

        def still(standing: Standing, found: Membership | None) -> Change | None:
            if not self._known.answers(asker.person, whom):
                raise _no_answer(whom)
            return rule(standing, found)

        return self._change(asker, act, name, whom, still)

    def _change(
        self, asker: Asker, act: str, name: str, member: Subject, rule: Rule, detail: str = ""
    ) -> Membership:
        """Let `rule` decide about `member` of the group; return their membership as it stands then."""
        self._apply(asker, Act(f"group.{act}", _on(name), member, detail), rule)
        after = self._store.membership(name, member)
        if after is None:
            raise NotFound(f"There is no group {name} that you may know of.")
        return after

    def _apply(self, asker: Asker, act: Act, rule: Rule) -> None:
        """Let `rule` decide, and write what it says."""
        name = act.on.name
        with self._trail.acting(asker, act):
            standing = self._standing(asker.person, name)
            act.owner = standing.group.owner
            before = self._store.membership(name, act.whom) if act.whom is not None else None
            change = rule(standing, before)
            if change is None:
                act.told = False
            else:
                act.detail = act.detail or (Role.OWNER if _about_owning(standing.group, change.group) else "")
                self._store.change_group(change.group)
                self._store.put_memberships(change.memberships)
        self._waker.wake()

    def _standing(self, person: Person, name: str) -> Standing:
        """Who asks about what, as it is once it is our turn. Raises NotFound."""
        group = self._store.group(name)
        if group is None:
            raise NotFound(f"There is no group {name} that you may know of.")
        return self._known.standing(person, group, self._store.membership(name, user(person.username)))

    def _answering(self, person: Person, name: str, member: Subject | None) -> Subject:
        """Whom the asker answers for. Raises NotFound, Refused."""
        whom = member or user(person.username)
        answers = self._known.answers(person, whom)
        # Who declined or left knows of the group, and may ask twice.
        if not answers or self._store.membership(name, whom) is None:
            self._known.group(person, name)
        if not answers:
            raise _no_answer(whom)
        return whom

    def _along(self, name: str, leaving: Membership | None, *more: Status) -> list[Membership]:
        """The memberships, in group `name`, of the service accounts of who leaves it; more: not only those
        that count."""
        owned = self._store.service_accounts_of([leaving.member]) if leaving is not None else []
        found = (self._store.membership(name, account.subject) for account in owned)
        return [one for one in found if one is not None and one.status in (Status.ACCEPTED, *more)]

    def _behind(self, name: str, person: Person) -> list[Membership]:
        """The memberships, in group `name`, of who owns and who manages the service account that asks."""
        if not isinstance(person, Program):
            return []
        account = self._store.service_account(user(person.username).name)
        if account is None:
            return []
        theirs = (account.owner, *map(user, self._store.answering(account)))
        found = (self._store.membership(name, one) for one in theirs)
        return [one for one in found if one is not None]

    def _above(self, name: str) -> frozenset[str]:
        """The portal's groups that group `name` is in, at any depth."""
        reached = self._store.reach([portal_group(name)])
        return frozenset(s.name for s in reached if s.kind is SubjectKind.PORTAL_GROUP) - {name}


def _on(name: str) -> Resource:
    return Resource(kind=ResourceKind.GROUP, name=name)


def _about_owning(before: Group, now: Group) -> bool:
    return (before.owner, before.heir) != (now.owner, now.heir)


def _no_answer(whom: Subject) -> Refused:
    return Refused({str(whom): "you cannot answer for them"})


def _same(there: Group, asked: Group, person: Person) -> bool:
    words = {"description", "accessibility"}
    return there.owner == person.username and there.model_dump(include=words) == asked.model_dump(
        include=words
    )
