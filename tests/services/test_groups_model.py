"""Groups and grants through the services against a tiny model of the rules, by any sequence of calls.

The model knows people, three groups and two things, and was written from the rules, not from the code.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.catalogue import Site
from sciserver_hpc.domain.errors import SciServerError
from sciserver_hpc.domain.groups import Accessibility, Role
from sciserver_hpc.domain.people import Person

from .world import SITE, World

PEOPLE = {
    name: Person(username=name, uid=uid, gid=uid, admin=name == "root1", groups=frozenset(groups))
    for name, uid, groups in (
        ("alice", 2001, ()),
        ("bob", 2002, ("astro",)),
        ("carol", 2003, ()),
        ("root1", 2004, ()),
    )
}
OURS, SITES = ("user_volume", "Storage/alice/shared"), ("data_volume", "sdss")
THINGS = (OURS, SITES)
NAMES = ("red", "green", "blue", "white")

WHO = st.sampled_from(sorted(PEOPLE))
GROUP = st.sampled_from(NAMES)
PERSON = WHO.map(lambda name: ("user", name))
MEMBER = st.one_of(PERSON, st.just(("group", "astro")), GROUP.map(lambda name: ("portal_group", name)))
SUBJECT = st.one_of(MEMBER, st.just(("everyone", "")))
THING = st.sampled_from(THINGS)
ACTION = st.sampled_from(["read", "write", "grant"])
PICK = st.integers(0, 1000)
LEAD = st.sampled_from([True, True, False])
HOURS = st.sampled_from([None, 1, 5])

Member = tuple[str, str]


class Refusal(Exception):
    """The model says no."""


def need(condition: bool) -> None:
    if not condition:
        raise Refusal


def runs(row: tuple[str, str, bool]) -> bool:
    """Is it the row of one who runs the group?"""
    return row[0] in {"admin", "owner"} and row[1] == "accepted"


class Rules:
    """The rules again, on dictionaries. `hour`: the time."""

    def __init__(self) -> None:
        self.hour = 0
        self.groups: dict[str, bool] = {}
        self.gone: set[str] = set()
        self.rows: dict[tuple[str, Member], tuple[str, str, bool]] = {}
        self.heirs: dict[str, Member] = {}
        self.grants: dict[tuple[Member, str, Member, str], int | None] = {}

    # who is where
    def up(self, start: Member) -> set[Member]:
        found, new = {start}, {start}
        while new:
            new = {
                ("portal_group", g) for (g, m), row in self.rows.items() if m in new and row[1] == "accepted"
            } - found
            found |= new
        return found

    def subjects(self, who: str) -> set[Member]:
        found = self.up(("user", who)) | {("everyone", "")}
        return found | (self.up(("group", "astro")) if who == "bob" else set())

    def rank(self, who: str, group: str) -> int:
        role, status, _ = self.rows.get((group, ("user", who)), ("", "", False))
        mine = {"member": 1, "admin": 2, "owner": 3}[role] if status == "accepted" else 0
        return 3 if who == "root1" else mine

    def status(self, group: str, member: Member) -> str:
        return self.rows.get((group, member), ("", "", False))[1]

    def sees(self, who: str, group: str) -> bool:
        if group not in self.groups:
            return False
        mine = {("portal_group", g) for (g, m), row in self.rows.items() if m == ("user", who) and runs(row)}
        asked = any(self.status(group, member) == "invited" for member in mine | {("user", who)})
        inside = ("portal_group", group) in self.subjects(who)
        return self.groups[group] or who == "root1" or asked or inside

    def knows(self, who: str, member: Member) -> bool:
        return member[0] != "portal_group" or self.sees(who, member[1])

    def answers(self, who: str, member: Member) -> bool:
        theirs = member[0] == "portal_group" and member[1] in self.groups and self.rank(who, member[1]) >= 2
        return member == ("user", who) or theirs

    def circle(self, group: str, member: Member) -> bool:
        return member in self.up(("portal_group", group))

    def set(self, group: str, member: Member, role: str, status: str, barred: bool) -> None:
        self.rows[group, member] = (role, status, barred)
        if status != "accepted" and self.heirs.get(group) == member:
            del self.heirs[group]

    # groups
    def create(self, who: str, group: str, public: bool) -> None:
        if group in self.groups:
            need(self.rows.get((group, ("user", who)), ("",))[0] == "owner" and self.groups[group] == public)
            return
        need(group not in self.gone)
        self.groups[group] = public
        self.set(group, ("user", who), "owner", "accepted", False)

    def open(self, who: str, group: str, public: bool) -> None:
        need(self.sees(who, group) and self.rank(who, group) == 3)
        self.groups[group] = public

    def delete(self, who: str, group: str) -> None:
        need(self.sees(who, group) and self.rank(who, group) == 3)
        del self.groups[group]
        self.heirs.pop(group, None)
        self.gone.add(group)
        me = ("portal_group", group)
        self.rows = {key: row for key, row in self.rows.items() if group != key[0] and me != key[1]}
        self.grants = {key: end for key, end in self.grants.items() if key[0] != me}

    def invite(self, who: str, group: str, member: Member, role: str) -> None:
        need(self.sees(who, group) and self.knows(who, member) and self.rank(who, group) >= 2)
        need(member != ("user", who) and role != "owner" and (role == "member" or member[0] == "user"))
        need(member[0] != "group" or who in {"bob", "root1"})
        need(not self.circle(group, member) and self.status(group, member) not in {"invited", "accepted"})
        barred = self.rows.get((group, member), ("", "", False))[2]
        at_once = member[0] == "group"
        self.set(group, member, role, "accepted" if at_once else "invited", barred and not at_once)

    def answer(self, who: str, group: str, member: Member, verb: str) -> None:
        need(self.answers(who, member) and ((group, member) in self.rows or self.sees(who, group)))
        if verb != "leave" and self.heirs.get(group) == member:
            del self.heirs[group]
            if verb == "accept":
                owner = next(m for (g, m), row in self.rows.items() if g == group and row[0] == "owner")
                self.set(group, owner, "admin", "accepted", False)
                self.set(group, member, "owner", "accepted", self.rows[group, member][2])
            return
        done = {"accept": "accepted", "decline": "declined", "leave": "left"}[verb]
        if self.status(group, member) == done:
            return
        role, status, barred = self.rows.get((group, member), ("", "", False))
        if verb == "leave":
            need(status == "accepted" and role != "owner")
            self.set(group, member, "member", done, barred)
            return
        need(status == "invited" and (verb == "decline" or not self.circle(group, member)))
        self.set(group, member, role, done, barred and verb == "decline")

    def withdraw(self, who: str, group: str, member: Member) -> None:
        need(self.sees(who, group) and self.rank(who, group) >= 2)
        if self.heirs.get(group) == member:
            need(self.rank(who, group) == 3)
            del self.heirs[group]
            return
        role, status, barred = self.rows.get((group, member), ("", "", False))
        need(status in {"invited", "withdrawn"})
        self.set(group, member, role, "withdrawn", barred)

    def remove(self, who: str, group: str, member: Member) -> None:
        need(self.sees(who, group) and self.rank(who, group) >= 2)
        role, status, _ = self.rows.get((group, member), ("", "", False))
        if status == "expelled":
            return
        need(status == "accepted" and role != "owner" and member != ("user", who))
        need(role != "admin" or self.rank(who, group) == 3)
        self.set(group, member, "member", "expelled", True)

    def role(self, who: str, group: str, member: Member, role: str) -> None:
        need(self.sees(who, group) and self.rank(who, group) >= 2)
        old, status, barred = self.rows.get((group, member), ("", "", False))
        need(status == "accepted" and old != "owner" and role != "owner" and member[0] == "user")
        need(role in (old, "admin") or member == ("user", who) or self.rank(who, group) == 3)
        self.set(group, member, role, status, barred)

    def transfer(self, who: str, group: str, member: Member) -> None:
        need(self.sees(who, group) and self.knows(who, member) and self.rank(who, group) == 3)
        role, status, _ = self.rows.get((group, member), ("", "", False))
        need(status == "accepted")
        if role == "owner":
            return
        need(member[0] == "user")
        self.heirs[group] = member

    def join(self, who: str, group: str) -> None:
        need(self.sees(who, group))
        role, status, barred = self.rows.get((group, ("user", who)), ("", "", False))
        if status == "accepted":
            return
        need(status == "invited" or (self.groups[group] and not barred))
        self.set(group, ("user", who), role if status == "invited" else "member", "accepted", False)

    # grants
    def live(self, end: int | None) -> bool:
        return end is None or end > self.hour

    def holds(self, who: str, action: str, thing: Member) -> list[int | None]:
        wanted = {"read": {"read", "write"}}.get(action, {action})
        mine = self.subjects(who)
        return [
            end
            for (subject, given, on, _), end in self.grants.items()
            if on == thing and subject in mine and given in wanted and self.live(end)
        ]

    def owns(self, who: str, thing: Member) -> bool:
        return who == ("alice" if thing == OURS else "root1")

    def may(self, who: str, action: str, thing: Member) -> bool:
        free = (thing == OURS and who == "alice") or (thing == SITES and who == "root1" and action == "grant")
        return free or bool(self.holds(who, action, thing))

    def knows_of(self, who: str, thing: Member) -> bool:
        return thing == SITES or who == "alice" or any(self.holds(who, a, thing) for a in ("read", "grant"))

    def give(self, who: str, thing: Member, subject: Member, action: str, hours: int | None) -> None:
        need(self.knows_of(who, thing) and self.knows(who, subject))
        need(not (thing == OURS and subject == ("user", "alice")))
        need(subject[0] != "everyone" or (who == "root1" and thing == SITES))
        end = None if hours is None else self.hour + hours
        if not self.owns(who, thing):
            for needed in ("grant", action):
                held = self.holds(who, needed, thing)
                need(any(mine is None or (end is not None and end <= mine) for mine in held))
        self.grants[subject, action, thing, who] = end

    def revoke(self, who: str, thing: Member, subject: Member, action: str) -> None:
        mine = self.answers(who, subject)
        need(mine or self.knows_of(who, thing))
        keys = [key for key in self.grants if key[:3] == (subject, action, thing)]
        if not (mine or self.owns(who, thing) or self.holds(who, "grant", thing)):
            keys = [key for key in keys if key[3] == who]  # they may know of no others
            need(bool(keys))
        need(all(mine or self.owns(who, thing) or key[3] == who for key in keys))
        for key in keys:
            del self.grants[key]


def subject(member: Member) -> Subject:
    return Subject(kind=member[0], name=member[1])


def resource(thing: Member) -> Resource:
    return Resource(kind=thing[0], name=thing[1])


class GroupsMachine(RuleBasedStateMachine):
    """Each rule does one thing to both; both say yes, or both say no."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.world.store.apply_site(Site.model_validate(SITE.model_dump() | {"grants": ()}))
        self.world.people.people = dict(PEOPLE)
        for person in PEOPLE.values():
            self.world.store.remember_person(person)
        self.world.store.add_user_volume("Storage", "alice", "shared", "")
        self.rules = Rules()

    def teardown(self) -> None:
        self.world.store.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self.create("alice", "red", True)
        self.create("bob", "green", False)

    def leader(self, who: str, group: str, lead: bool) -> str:
        """Mostly the group's owner: others are refused nearly everything."""
        owners = [m[1] for (g, m), row in self.rules.rows.items() if g == group and row[0] == "owner"]
        return owners[0] if lead and owners else who

    def both(self, real: Callable[[], Any], model: Callable[[], None]) -> None:
        try:
            model()
        except Refusal:
            expected = False
        else:
            expected = True
        try:
            real()
        except SciServerError as error:
            assert not expected, f"refused: {error}"
        else:
            assert expected, "not refused"

    @rule(who=WHO, group=GROUP, public=st.booleans())
    def create(self, who: str, group: str, public: bool) -> None:
        kind = Accessibility.PUBLIC if public else Accessibility.PRIVATE
        self.both(
            lambda: self.world.groups.create(Asker(PEOPLE[who]), group, "", kind),
            lambda: self.rules.create(who, group, public),
        )

    @rule(who=WHO, group=GROUP, public=st.booleans())
    def open(self, who: str, group: str, public: bool) -> None:
        kind = Accessibility.PUBLIC if public else Accessibility.PRIVATE
        self.both(
            lambda: self.world.groups.describe(Asker(PEOPLE[who]), group, None, kind),
            lambda: self.rules.open(who, group, public),
        )

    @rule(who=WHO, group=GROUP, sure=st.integers(0, 5))
    def delete(self, who: str, group: str, sure: int) -> None:
        if sure == 0:
            self.both(
                lambda: self.world.groups.delete(Asker(PEOPLE[who]), group),
                lambda: self.rules.delete(who, group),
            )

    @rule(who=WHO, lead=LEAD, group=GROUP, member=MEMBER, role=st.sampled_from(list(Role)))
    def invite(self, who: str, lead: bool, group: str, member: Member, role: Role) -> None:
        who = self.leader(who, group, lead)
        self.both(
            lambda: self.world.groups.invite(Asker(PEOPLE[who]), group, subject(member), role),
            lambda: self.rules.invite(who, group, member, role),
        )

    @rule(who=WHO, group=GROUP, member=MEMBER, verb=st.sampled_from(["accept", "decline", "leave"]))
    def answer_for(self, who: str, group: str, member: Member, verb: str) -> None:
        self.both(
            lambda: getattr(self.world.groups, verb)(Asker(PEOPLE[who]), group, subject(member)),
            lambda: self.rules.answer(who, group, member, verb),
        )

    @rule(who=WHO, group=GROUP, verb=st.sampled_from(["accept", "accept", "decline", "leave"]))
    def answer(self, who: str, group: str, verb: str) -> None:
        self.both(
            lambda: getattr(self.world.groups, verb)(Asker(PEOPLE[who]), group),
            lambda: self.rules.answer(who, group, ("user", who), verb),
        )

    @rule(pick=PICK, verb=st.sampled_from(["accept", "accept", "accept", "decline"]))
    def answer_some(self, pick: int, verb: str) -> None:
        """Whoever may answers one of the open invitations."""
        open_ = sorted(key for key, row in self.rules.rows.items() if row[1] == "invited")
        if open_:
            group, member = open_[pick % len(open_)]
            who = member[1] if member[0] == "user" else self.leader("root1", member[1], True)
            self.answer_for(who, group, member, verb)

    @rule(pick=PICK, verb=st.sampled_from(["accept", "accept", "decline", "leave", "withdraw"]))
    def an_offer_ends(self, pick: int, verb: str) -> None:
        """One to whom a group is offered answers, or its owner thinks better of it."""
        offers = sorted(self.rules.heirs.items())
        if offers:
            group, heir = offers[pick % len(offers)]
            if verb == "withdraw":
                self.manage(self.leader("root1", group, True), group, heir, verb)
            else:
                self.answer_for(heir[1], group, heir, verb)

    @rule(who=WHO, lead=LEAD, pick=PICK, verb=st.sampled_from(["withdraw", "remove", "remove", "transfer"]))
    def manage_some(self, who: str, lead: bool, pick: int, verb: str) -> None:
        """Something becomes of one who is, or was, in."""
        rows = sorted(self.rules.rows)
        group, member = rows[pick % len(rows)] if rows else ("red", ("user", "bob"))
        self.manage(self.leader(who, group, lead), group, member, verb)

    @rule(who=WHO, group=GROUP, member=MEMBER, verb=st.sampled_from(["withdraw", "remove", "transfer"]))
    def manage(self, who: str, group: str, member: Member, verb: str) -> None:
        self.both(
            lambda: getattr(self.world.groups, verb)(Asker(PEOPLE[who]), group, subject(member)),
            lambda: getattr(self.rules, verb)(who, group, member),
        )

    @rule(pick=PICK)
    def come_back(self, pick: int) -> None:
        """Whoever went, was removed or never answered tries to join."""
        gone = sorted(
            (g, m) for (g, m), row in self.rules.rows.items() if m[0] == "user" and row[1] != "accepted"
        )
        if gone:
            group, member = gone[pick % len(gone)]
            self.join(member[1], group)

    @rule(who=WHO, lead=LEAD, group=GROUP, member=PERSON, role=st.sampled_from(list(Role)))
    def set_role(self, who: str, lead: bool, group: str, member: Member, role: Role) -> None:
        who = self.leader(who, group, lead)
        self.both(
            lambda: self.world.groups.set_role(Asker(PEOPLE[who]), group, subject(member), role),
            lambda: self.rules.role(who, group, member, role),
        )

    @rule(who=WHO, group=GROUP)
    def join(self, who: str, group: str) -> None:
        self.both(
            lambda: self.world.groups.join(Asker(PEOPLE[who]), group), lambda: self.rules.join(who, group)
        )

    @rule(who=WHO, thing=THING, to=SUBJECT, action=ACTION, hours=HOURS, dry=st.booleans())
    def give(self, who: str, thing: Member, to: Member, action: str, hours: int | None, dry: bool) -> None:
        expires = None if hours is None else self.world.clock.now() + timedelta(hours=hours)
        asked = (Asker(PEOPLE[who]), resource(thing), subject(to), [Action(action)], expires)
        if dry:
            before = dict(self.rules.grants)
            self.both(
                lambda: self.world.sharing.give(*asked, dry_run=True),
                lambda: self.rules.give(who, thing, to, action, hours),
            )
            self.rules.grants = before
        else:
            self.both(
                lambda: self.world.sharing.give(*asked),
                lambda: self.rules.give(who, thing, to, action, hours),
            )

    @rule(thing=THING, to=SUBJECT, action=ACTION, hours=HOURS)
    def owner_gives(self, thing: Member, to: Member, action: str, hours: int | None) -> None:
        self.give("alice" if thing == OURS else "root1", thing, to, action, hours, False)

    @rule(pick=PICK, to=SUBJECT, action=ACTION, hours=HOURS)
    def holder_gives(self, pick: int, to: Member, action: str, hours: int | None) -> None:
        """One who was given the right to give makes use of it."""
        held = [
            (who, thing)
            for who in sorted(PEOPLE)
            for thing in THINGS
            if self.rules.holds(who, "grant", thing)
        ]
        if held:
            who, thing = held[pick % len(held)]
            self.give(who, thing, to, action, hours, False)

    @rule(who=WHO, pick=PICK)
    def revoke_some(self, who: str, pick: int) -> None:
        """Somebody takes back one of the grants there are."""
        there = sorted(self.rules.grants)
        if there:
            to, action, thing, _ = there[pick % len(there)]
            self.revoke(who, thing, to, action)

    @rule(who=WHO, thing=THING, to=SUBJECT, action=ACTION)
    def revoke(self, who: str, thing: Member, to: Member, action: str) -> None:
        self.both(
            lambda: self.world.sharing.revoke(
                Asker(PEOPLE[who]), resource(thing), subject(to), [Action(action)]
            ),
            lambda: self.rules.revoke(who, thing, to, action),
        )

    @rule()
    def an_hour_passes(self) -> None:
        self.world.clock.advance(3600)
        self.rules.hour += 1

    @invariant()
    def decisions_are_the_rules(self) -> None:
        for who, person in PEOPLE.items():
            rights = self.world.site.load_rights(person)
            assert {(str(s.kind), s.name) for s in rights.held.subjects} == self.rules.subjects(who) | {
                ("group", name) for name in person.groups
            }
            for thing in THINGS:
                for action in ("read", "write", "grant"):
                    decision = rights.may(Action(action), *thing)
                    assert decision.allowed == self.rules.may(who, action, thing), (who, action, thing)

    @invariant()
    def a_group_has_one_owner(self) -> None:
        for group in self.rules.groups:
            found = self.world.store.group(group)
            rows = {
                m
                for (g, m), row in self.rules.rows.items()
                if g == group and row[:2] == ("owner", "accepted")
            }
            assert found is not None and rows == {("user", found.owner)}
            assert self.rules.heirs.get(group, ("user", None)) == ("user", found.heir)

    @invariant()
    def offers_wait_for_an_answer(self) -> None:
        for who, person in PEOPLE.items():
            mine = sorted(group for group, heir in self.rules.heirs.items() if heir == ("user", who))
            invited = self.world.groups.invited(person)
            assert [one.group for one in invited if one.role is Role.OWNER] == mine
            assert self.world.groups.waiting(person) == len(invited)


def test_groups_and_grants_follow_the_rules() -> None:
    run_state_machine_as_test(
        GroupsMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("seed", range(4))
def test_they_do_on_long_walks(seed: int) -> None:
    """Hypothesis tries short and odd ways; these get further, where groups are full and rights handed on."""
    machine, dice = GroupsMachine(), Random(seed)
    machine.begin()
    try:
        for _ in range(500):
            step(machine, dice)
            machine.decisions_are_the_rules()
            machine.a_group_has_one_owner()
            machine.offers_wait_for_an_answer()
    finally:
        machine.teardown()


def step(machine: GroupsMachine, dice: Random) -> None:
    """One thing, chosen by `dice`."""
    who, group, pick, lead = (
        dice.choice(sorted(PEOPLE)),
        dice.choice(NAMES),
        dice.randrange(1000),
        dice.random() < 0.7,
    )
    user = ("user", dice.choice(sorted(PEOPLE)))
    member = dice.choice([user, user, ("group", "astro"), ("portal_group", dice.choice(NAMES))])
    to = dice.choice([member, member, ("everyone", "")])
    thing, action = dice.choice(THINGS), dice.choice(["read", "write", "grant"])
    hours = dice.choice([None, 1, 5])
    steps: list[tuple[int, Callable[[], None]]] = [
        (2, lambda: machine.create(who, group, pick % 2 == 0)),
        (1, lambda: machine.open(who, group, pick % 2 == 0)),
        (1, lambda: machine.delete(who, group, pick % 20)),
        (12, lambda: machine.invite(who, lead, group, member, dice.choice(list(Role)[:2]))),
        (8, lambda: machine.answer_some(pick, dice.choice(["accept", "accept", "accept", "decline"]))),
        (2, lambda: machine.answer(who, group, dice.choice(["accept", "decline", "leave"]))),
        (2, lambda: machine.answer_for(who, group, member, dice.choice(["accept", "decline", "leave"]))),
        (
            4,
            lambda: machine.manage_some(
                who, lead, pick, dice.choice(["withdraw", "remove", "remove", "transfer"])
            ),
        ),
        (
            4,
            lambda: machine.an_offer_ends(
                pick, dice.choice(["accept", "accept", "decline", "leave", "withdraw"])
            ),
        ),
        (3, lambda: machine.set_role(who, lead, group, user, dice.choice(list(Role)))),
        (3, lambda: machine.come_back(pick)),
        (3, lambda: machine.join(who, group)),
        (4, lambda: machine.owner_gives(thing, to, action, hours)),
        (3, lambda: machine.holder_gives(pick, to, action, hours)),
        (2, lambda: machine.give(who, thing, to, action, hours, lead)),
        (2, lambda: machine.revoke_some(who, pick)),
        (1, machine.an_hour_passes),
    ]
    dice.choices([do for _, do in steps], [weight for weight, _ in steps])[0]()
