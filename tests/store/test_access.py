"""Groups, grants, what reaches whom, the audit trail: on both engines."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sciserver_hpc.domain.access import EVERYONE, SITE, Grant, Resource, Subject, own_subjects
from sciserver_hpc.domain.audit import BROKER, Entry, Outcome, Sieve
from sciserver_hpc.domain.catalogue import Site
from sciserver_hpc.domain.errors import Conflict, Invalid, SciServerError
from sciserver_hpc.domain.groups import Accessibility, Group, Membership, Role, Source, Status, user
from sciserver_hpc.domain.people import Person
from sciserver_hpc.store import migrate
from sciserver_hpc.store.engine import make_engine
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import NOON

ASTRO = Subject(kind="group", name="astro")
SHARED = Resource(kind="user_volume", name="Storage/alice/shared")
ANY = list(Status)


def portal(name: str) -> Subject:
    return Subject(kind="portal_group", name=name)


def person(name: str, *groups: str, full_name: str = "") -> Person:
    return Person(username=name, uid=2000, gid=2000, full_name=full_name, groups=frozenset(groups))


def group(name: str, **fields: Any) -> Group:
    return Group(**{"name": name, "owner": "alice", "created_at": NOON} | fields)


def member(group: str, subject: Subject, status: str = "accepted", role: str = "member") -> Membership:
    return Membership(group=group, member=subject, role=role, status=status, by="alice", changed_at=NOON)


def put(store: SqlStore, *edges: tuple[Subject, str], status: str = "accepted") -> None:
    store.put_memberships([member(name, subject, status) for subject, name in edges])


def grant(subject: Subject, action: str = "read", resource: Resource = SHARED, **more: Any) -> Grant:
    return Grant(**{"subject": subject, "action": action, "resource": resource, "granted_by": "alice"} | more)


def test_groups_are_kept_changed_and_ended_for_good(store: SqlStore) -> None:
    survey = group("survey", description="Ünïcode", accessibility=Accessibility.PUBLIC)
    store.add_group(survey)
    assert store.group("survey") == survey
    changed = survey.model_copy(update={"description": "", "accessibility": Accessibility.PRIVATE})
    store.change_group(changed)
    assert store.group("survey") == changed
    put(store, (user("bob"), "survey"), (portal("survey"), "top"))
    store.add_grants([grant(portal("survey")), grant(ASTRO)], NOON)
    store.delete_group("survey", NOON)
    assert store.group("survey") is None
    assert store.members("survey", ANY) == store.members("top", ANY) == []
    assert [share.grant.subject for share in store.shares_on(SHARED)] == [ASTRO]
    assert store.group_once("s-urvey") and not store.group_once("other")
    with pytest.raises(Conflict):
        store.add_group(survey)


def test_the_directorys_groups_are_known_from_those_who_log_in(store: SqlStore) -> None:
    store.remember_person(person("bob", "astro", "x" * 300, "a\nb"))
    store.remember_person(person("carol", "astro", "physics"))
    assert store.directory_group("astro") and store.directory_group("physics")
    assert not store.directory_group("a\nb")
    assert store.group("astro") is None
    assert [(g.name, g.source) for g in store.groups_alike("A.s-tr0")] == [("astro", Source.DIRECTORY)]
    store.add_group(group("astro"))
    assert [g.source for g in store.groups_alike("astro")] == [Source.DIRECTORY, Source.PORTAL]


def test_public_groups_come_by_name_in_pages(store: SqlStore) -> None:
    for name in ("b", "a", "c"):
        store.add_group(group(name, accessibility=Accessibility.PUBLIC))
    store.add_group(group("private"))
    store.delete_group("b", NOON)
    assert [g.name for g in store.public_groups()] == ["a", "c"]
    assert [g.name for g in store.public_groups("a", 1)] == ["c"]


def test_a_membership_is_one_row_whatever_becomes_of_it(store: SqlStore) -> None:
    invited = member("survey", user("bob"), "invited", "admin")
    store.put_memberships([invited])
    accepted = invited.model_copy(update={"status": Status.ACCEPTED, "barred": True, "by": "bob"})
    store.put_memberships([accepted, member("survey", ASTRO)])
    assert store.membership("survey", user("bob")) == accepted
    assert store.membership("survey", portal("bob")) is None
    assert store.members("survey", [Status.INVITED]) == []
    assert store.members("survey", ANY, limit=1) == [member("survey", ASTRO)]
    assert store.members("survey", ANY, after=ASTRO) == [accepted]
    assert store.memberships_of([user("bob"), ASTRO], [Status.ACCEPTED]) == [
        accepted,
        member("survey", ASTRO),
    ]
    assert store.memberships_of([], ANY) == []
    assert store.administered("bob") == ["survey"]
    assert store.administered("astro") == []


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ACCEPTED])
def test_only_accepted_memberships_reach(store: SqlStore, status: str) -> None:
    put(store, (user("bob"), "survey"), status=status)
    assert store.reach([user("bob")]) == {user("bob")}
    assert store.inside("survey") == []
    assert store.administered("bob") == []


def test_nested_groups_reach_upward_and_circles_end(store: SqlStore) -> None:
    put(store, (user("bob"), "a"), (portal("a"), "b"), (portal("b"), "c"), (portal("c"), "a"), (ASTRO, "b"))
    names = {portal(name) for name in "abc"}
    assert store.reach([user("bob")]) == names | {user("bob")}
    assert store.reach([ASTRO, EVERYONE]) == names | {ASTRO, EVERYONE}
    assert store.reach([portal("astro"), user("astro")]) == {portal("astro"), user("astro")}
    assert store.inside("a") == store.inside("c") == [ASTRO, user("bob")]
    assert set(store.edges([user("bob")])) == {
        (user("bob"), portal("a")),
        (portal("a"), portal("b")),
        (portal("b"), portal("c")),
        (portal("c"), portal("a")),
    }


def test_a_group_of_the_portal_never_catches_what_is_for_the_directorys(store: SqlStore) -> None:
    store.add_group(group("astro"))
    put(store, (user("mallory"), "astro"), (ASTRO, "survey"))
    store.add_grants([grant(ASTRO)], NOON)
    assert store.reaching(own_subjects(person("mallory")))[1] == []
    assert portal("survey") not in store.reach(own_subjects(person("mallory")))
    assert [g.subject for g in store.reaching(own_subjects(person("bob", "astro")))[1]] == [ASTRO]


def test_many_directory_groups_and_deep_nesting_are_no_limit(store: SqlStore) -> None:
    many = person("bob", *(f"g{number}" for number in range(3000)))
    put(
        store,
        (Subject(kind="group", name="g2999"), "n0"),
        *((portal(f"n{i}"), f"n{i + 1}") for i in range(300)),
    )
    store.add_grants([grant(portal("n300"))], NOON)
    subjects, grants = store.reaching(own_subjects(many))
    assert len(subjects) == 3000 + 2 + 301
    assert grants == [grant(portal("n300"))]


NAMES = st.sampled_from(["a", "b", "c", "d"])
MEMBERS = st.one_of(st.sampled_from([user("bob"), user("carol"), ASTRO]), NAMES.map(portal))
EDGES = st.lists(st.tuples(MEMBERS, NAMES), max_size=14)


def closure(seeds: Iterable[Subject], edges: list[tuple[Subject, str]]) -> frozenset[Subject]:
    found = set(seeds)
    while True:
        more = {portal(name) for subject, name in edges if subject in found} - found
        if not more:
            return frozenset(found)
        found |= more


@given(edges=EDGES, seeds=st.sets(MEMBERS, min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_what_is_reached_is_the_closure(
    store: SqlStore, edges: list[tuple[Subject, str]], seeds: set[Subject]
) -> None:
    for name in "abcd":
        store.delete_group(name, NOON)
    put(store, *edges)
    assert store.reach(seeds) == closure(seeds, edges)
    assert set(store.edges(seeds)) == {(s, portal(n)) for s, n in edges if s in closure(seeds, edges)}


def test_grants_reach_through_groups_and_on_the_things_asked_for(store: SqlStore) -> None:
    other = Resource(kind="user_volume", name="Storage/alice/other")
    store.remember_person(person("bob", "astro"))
    put(store, (ASTRO, "survey"))
    ends = NOON + timedelta(days=1)
    through = grant(portal("survey"), expires=ends)
    given = [grant(user("bob"), resource=other), through, grant(EVERYONE, "write"), grant(user("carol"))]
    store.add_grants(given, NOON)
    seeds = own_subjects(person("bob", "astro"))
    subjects, grants = store.reaching(seeds)
    assert subjects == seeds | {portal("survey")}
    assert grants == given[:3]
    assert store.reaching(seeds, [SHARED]) == (subjects, given[1:3])
    assert store.reaching(seeds, [SHARED, other])[1] == given[:3]
    assert store.reaching(seeds, [Resource(kind="image", name="x")]) == (subjects, [])
    assert [share.grant for share in store.shares_with(seeds)] == given[:2]
    assert [share.grant for share in store.shares_with(seeds, after=store.shares_with(seeds)[0].id)] == [
        through
    ]


def test_a_grant_given_again_is_the_same_with_the_new_end(store: SqlStore) -> None:
    first = store.add_grants([grant(user("bob")), grant(user("bob"), "write")], NOON)
    again = store.add_grants([grant(user("bob"), expires=NOON)], NOON + timedelta(hours=1))
    assert again[0].id == first[0].id
    assert store.share(again[0].id) == again[0]
    assert (again[0].grant.expires, again[0].created_at) == (NOON, NOON)
    by_carol = store.add_grants([grant(user("bob"), granted_by="carol")], NOON)
    assert store.shares_between(SHARED, user("bob")) == [again[0], first[1], by_carol[0]]
    assert store.shares_by("carol") == by_carol
    assert store.shares_on(SHARED, after=first[0].id, limit=1) == [first[1]]
    assert store.drop_grants([first[0].id, first[0].id, 999]) == 1
    assert store.share(first[0].id) is None
    assert store.add_grants([grant(user("bob"))], NOON)[0].id > by_carol[0].id


def test_applying_the_site_leaves_peoples_grants(store: SqlStore) -> None:
    store.add_grants([grant(portal("survey")), grant(user("bob"), granted_by="site")], NOON)
    store.apply_site(Site(grants=(grant(ASTRO, granted_by=SITE),)))
    assert {share.grant.granted_by for share in store.shares_on(SHARED)} == {"alice", "site", SITE}
    store.apply_site(Site())
    assert {share.grant.granted_by for share in store.shares_on(SHARED)} == {"alice", "site"}
    assert store.named_in_grants("survey") and not store.named_in_grants("astro")
    with pytest.raises(Invalid, match="two ends"):
        store.apply_site(Site(grants=(grant(ASTRO), grant(ASTRO, expires=NOON))))


def test_people_are_found_by_the_start_of_their_names(store: SqlStore) -> None:
    for name, full in (("alice", "Alice Adams"), ("bob", "Robert Alison"), ("a_b", "Émile"), ("axb", "100%")):
        store.remember_person(person(name, full_name=full))
    found = {
        text: [p.username for p in store.people_like(text, 10)] for text in ("ALI", "a_", "100%", "%", "zz")
    }
    assert found == {"ALI": ["alice", "bob"], "a_": ["a_b"], "100%": ["axb"], "%": [], "zz": []}
    assert len(store.people_like("a", 2)) == 2


def entry(**fields: Any) -> Entry:
    return Entry(**{"at": NOON, "who": "alice", "act": "grant", "on": SHARED, "whom": user("bob")} | fields)


def test_the_audit_trail_is_read_from_its_end_in_pages(store: SqlStore) -> None:
    told = [
        entry(detail="read", request_id="r1"),
        entry(who="carol", on=Resource(kind="group", name="survey"), whom=None, outcome=Outcome.REFUSED),
        entry(who="carol", whom=portal("bob"), reason="no\0pe"),
    ]
    store.record(told)
    store.record([])
    found = store.audit()
    assert [e.model_copy(update={"id": 0}) for e in found] == [
        told[2].model_copy(update={"reason": "no\ufffdpe"}),
        told[1],
        told[0],
    ]
    assert store.audit(before=found[0].id, limit=1) == [found[1]]
    assert store.audit(on=SHARED) == [found[0], found[2]]
    assert store.audit(about="bob") == [found[2]]
    assert store.audit(about="carol") == found[:2]


def test_the_audit_trail_is_sieved_and_knows_whose_things_were(store: SqlStore) -> None:
    later = NOON + timedelta(hours=1)
    store.record([entry(owner="dave"), entry(who="carol", at=later), entry(act="revoke", at=later)])
    revoked, carols, daves = store.audit()
    assert store.audit(about="dave") == [daves]
    assert store.audit(sieve=Sieve(who="carol")) == [carols]
    assert store.audit(sieve=Sieve(act="grant", since=later)) == [carols]
    assert store.audit(sieve=Sieve(since=later)) == [revoked, carols]
    assert store.audit(sieve=Sieve(until=later)) == [daves]


def test_groups_and_open_invitations_are_found_for_pages(store: SqlStore) -> None:
    for name, kind in (("Lab_1", "public"), ("lab-2", "private"), ("labX1", "public")):
        store.add_group(group(name, accessibility=kind))
    found = [[g.name for g in store.groups_like("LAB_", 10, hidden=h)] for h in (False, True)]
    assert found == [["Lab_1"], ["Lab_1"]]
    assert {g.name for g in store.groups_like("lab", 10, hidden=True)} == {"Lab_1", "lab-2", "labX1"}
    assert len(store.groups_like("lab", 1, hidden=False)) == 1
    put(store, (user("bob"), "lab-2"), (portal("Lab_1"), "labX1"), status="invited")
    put(store, (user("carol"), "lab-2"), status="declined")
    store.put_memberships([member("Lab_1", user("bob"), role="admin")])
    assert [store.count_invitations(name) for name in ("bob", "carol", "alice")] == [2, 0, 0]


def test_grants_on_several_things_are_read_at_once(store: SqlStore) -> None:
    other = Resource(kind="user_volume", name="Storage/alice/other")
    store.add_grants([grant(ASTRO), grant(ASTRO, resource=other)], NOON)
    assert [s.grant.resource for s in store.shares_on_each([SHARED, other])] == [SHARED, other]
    assert store.shares_on_each([]) == []


@pytest.mark.parametrize("change", ["UPDATE audit SET who = 'mallory'", "DELETE FROM audit"])
def test_the_audit_trail_is_append_only_in_the_database_itself(
    store: SqlStore, url: str, change: str
) -> None:
    store.record([entry()])
    engine = make_engine(url)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(sa.text(change))
    engine.dispose()
    assert len(store.audit()) == 1


def test_what_is_audited_goes_with_its_transaction(store: SqlStore) -> None:
    with pytest.raises(SciServerError), store.transaction():
        store.hold_access()
        store.add_grants([grant(ASTRO)], NOON)
        store.record([entry()])
        raise Conflict("no")
    assert store.audit() == store.shares_on(SHARED) == []


def test_grants_of_the_first_schema_are_kept(empty_url: str) -> None:
    rows = [
        {"id": number, "action": "read", "granted_by": "site", "expires": None, "resource_name": "sdss"}
        for number in (1, 2)
    ]
    same = {"subject_kind": "group", "subject_name": "astro", "resource_kind": "data_volume"}
    migrate.upgrade(empty_url, to="0001")
    engine = make_engine(empty_url)
    with engine.begin() as connection:
        table = sa.Table("grants", sa.MetaData(), autoload_with=connection)
        connection.execute(sa.insert(table), [row | same for row in rows])
    engine.dispose()
    migrate.upgrade(empty_url)
    store = SqlStore(empty_url)
    data = Resource(kind="data_volume", name="sdss")
    assert [share.grant for share in store.shares_on(data)] == [grant(ASTRO, resource=data, granted_by=SITE)]
    store.close()


def test_groups_change_in_turns(store: SqlStore) -> None:
    assert store.directory_group("astro") is False
    with store.transaction():
        store.hold_access()
        store.add_group(group("survey"))
        store.put_memberships([member("survey", user("alice"), role=Role.OWNER)])
    assert store.administered("alice") == ["survey"]


def test_a_group_offered_waits_for_its_heir_alone(store: SqlStore) -> None:
    for name, heir in (("survey", "bob"), ("lab", "bob"), ("gone", "bob"), ("kept", None)):
        store.add_group(group(name, heir=heir))
        put(store, (user("bob"), name), (user("carol"), name))
    store.delete_group("gone", NOON)
    assert [(one.name, mine.member.name) for one, mine in store.offered("bob")] == [
        ("lab", "bob"),
        ("survey", "bob"),
    ]
    assert (store.count_invitations("bob"), store.count_invitations("carol")) == (2, 0)
    assert store.offered("carol") == []
    store.change_group(group("lab", heir=None))
    assert [one.name for one, _ in store.offered("bob")] == ["survey"]


def test_a_refusal_is_the_same_by_who_what_on_which_thing_and_why(store: SqlStore) -> None:
    told = entry(outcome=Outcome.REFUSED, reason="no\0pe")
    store.record([told])
    assert store.refused_since(told, NOON)
    assert not store.refused_since(told, NOON + timedelta(seconds=1))
    for other in (
        {"who": "eve"},
        {"act": "revoke"},
        {"on": Resource(kind="job", name="1")},
        {"reason": "yes"},
        {"outcome": Outcome.DONE},
    ):
        assert not store.refused_since(told.model_copy(update=other), NOON)


def test_lines_that_name_members_can_be_left_out(store: SqlStore) -> None:
    store.record(
        [entry(), entry(on=Resource(kind="group", name="survey")), entry(who=BROKER, act="disk.applied")]
    )
    assert [one.act for one in store.audit(sieve=Sieve(members=False))] == ["grant"]
    assert len(store.audit()) == 3
