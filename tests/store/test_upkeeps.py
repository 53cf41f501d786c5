"""Rows of shared volumes: marked by whatever may concern them, written by compare and set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from sciserver_hpc.domain.access import Resource, Subject
from sciserver_hpc.domain.acl import Entry, Named, Tag
from sciserver_hpc.domain.catalogue import Site
from sciserver_hpc.domain.groups import user
from sciserver_hpc.domain.upkeep import Due, Phase, Upkeep
from sciserver_hpc.store import migrate
from sciserver_hpc.store.engine import make_engine
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import NOON

from .test_access import ASTRO, SHARED, grant, group, member, person, portal, put

SECOND = timedelta(seconds=1)
X = ("Storage", "alice", "shared")
BOB = Named(tag=Tag.USER, id=2002)


def row(store: SqlStore) -> Upkeep:
    found = store.upkeep(*X)
    assert found is not None
    return found


def settle(store: SqlStore) -> None:
    """The broker saw to it."""
    assert store.keep_up(row(store), row(store).model_copy(update={"due_at": None}))


def test_a_grant_makes_the_row_and_every_change_marks_it(store: SqlStore, clock: FakeClock) -> None:
    assert store.upkeep(*X) is None
    store.add_grants([grant(user("bob"))], NOON)
    assert (row(store).marks, row(store).due_at, row(store).phase) == (1, NOON, Phase.REST)
    store.add_grants([grant(user("bob"), expires=NOON + SECOND), grant(ASTRO)], NOON + SECOND)
    assert row(store).due_at == NOON + SECOND
    settle(store)
    clock.advance(5)
    assert store.drop_grants([share.id for share in store.shares_on(SHARED)]) == 2
    assert row(store).due_at == clock.now()
    assert store.upkeeps_due(clock.now(), 9) == [Due(root=X[0], owner=X[1], name=X[2], guest=None)]


@pytest.mark.parametrize(
    "name", ["Storage/alice", "Storage/alice/x/y", "Storage//x", f"Storage/{'a' * 33}/x"]
)
def test_what_is_no_address_has_no_row(store: SqlStore, name: str) -> None:
    store.add_grants([grant(user("bob"), resource=Resource(kind="user_volume", name=name))], NOON)
    assert store.upkeeps_due(NOON, 9) == []


def _join(store: SqlStore) -> None:
    put(store, (user("carol"), "low"))


def _leave(store: SqlStore) -> None:
    put(store, (user("dan"), "low"), status="left")


def _nest(store: SqlStore) -> None:
    put(store, (portal("lower"), "low"))


def _end(store: SqlStore) -> None:
    store.delete_group("low", store._now())


def _first_login(store: SqlStore) -> None:
    store.remember_person(person("erin"))


def _new_uid(store: SqlStore) -> None:
    store.remember_person(person("alice").model_copy(update={"uid": 2999}))


def _catalogue(store: SqlStore) -> None:
    store.apply_site(Site(grants=(grant(ASTRO),)))


def _volume(store: SqlStore) -> None:
    store.add_user_volume(*X, "")


@pytest.mark.parametrize("change", [_join, _leave, _nest, _end, _first_login, _new_uid, _catalogue, _volume])
def test_what_concerns_a_volume_marks_it(
    store: SqlStore, clock: FakeClock, change: Callable[[SqlStore], None]
) -> None:
    store.add_group(group("low"))
    store.remember_person(person("alice"))
    put(store, (portal("low"), "top"), (user("erin"), "low"), (user("dan"), "low"))
    store.add_grants([grant(portal("top"))], NOON)
    settle(store)
    clock.advance(5)
    change(store)
    assert row(store).due_at == clock.now()


def test_what_does_not_concern_it_does_not(store: SqlStore, clock: FakeClock) -> None:
    store.remember_person(person("alice"))
    store.add_grants([grant(user("bob"))], NOON)
    store.apply_site(Site())
    settle(store)
    clock.advance(5)
    put(store, (user("bob"), "elsewhere"))
    store.remember_person(person("alice", full_name="Alice A."))
    store.remember_person(person("carol"))
    store.add_grants([grant(user("bob"), resource=Resource(kind="job", name="1"))], NOON)
    store.apply_site(Site())
    store.put_memberships([member("low", user("bob"))])
    assert row(store).due_at is None


def test_a_catalogues_grant_that_goes_marks_too(store: SqlStore, clock: FakeClock) -> None:
    store.apply_site(Site(grants=(grant(ASTRO),)))
    settle(store)
    clock.advance(5)
    store.apply_site(Site())
    assert row(store).due_at == clock.now()


def test_rows_are_written_by_compare_and_set(store: SqlStore) -> None:
    store.add_grants([grant(user("bob"))], NOON)
    old = row(store)
    entries = (Entry(named=BOB, bits=5),)
    new = old.model_copy(
        update={"entries": entries, "held": frozenset({BOB}), "phase": Phase.APPLY, "busy_until": NOON}
    )
    kept = store.keep_up(old, new)
    assert kept == row(store) == new.model_copy(update={"version": 1})
    assert store.keep_up(old, old) is None
    assert row(store) == kept


def test_a_mark_outlives_what_was_read_before_it(store: SqlStore) -> None:
    store.add_grants([grant(user("bob"))], NOON)
    old = row(store)
    store.add_grants([grant(ASTRO)], NOON + SECOND)
    kept = store.keep_up(old, old.model_copy(update={"due_at": NOON + timedelta(days=1), "failures": 1}))
    assert kept is not None and (row(store).due_at, row(store).failures) == (NOON + SECOND, 1)
    assert store.keep_up(kept, kept.model_copy(update={"due_at": None})) is not None
    assert row(store).due_at == NOON + SECOND
    settle(store)
    assert row(store).due_at is None


def test_the_longest_due_comes_first_and_the_busy_not_at_all(store: SqlStore) -> None:
    for number, name in enumerate("cab"):
        on = Resource(kind="user_volume", name=f"Storage/alice/{name}")
        store.add_grants([grant(user("bob"), resource=on)], NOON + number * SECOND)
    assert [one.name for one in store.upkeeps_due(NOON + SECOND, 9)] == ["c", "a"]
    assert [one.name for one in store.upkeeps_due(NOON + 9 * SECOND, 2)] == ["c", "a"]
    first = store.upkeep("Storage", "alice", "c")
    assert first is not None
    guests = {"phase": Phase.GUESTS, "guests": (2002, 2003)}
    store.keep_up(first, first.model_copy(update={"busy_until": NOON + 5 * SECOND, **guests}))
    assert [one.name for one in store.upkeeps_due(NOON + 4 * SECOND, 9)] == ["a", "b"]
    [again] = store.upkeeps_due(NOON + 5 * SECOND, 1)
    assert (again.name, again.guest) == ("c", 2002)
    assert [one.name for one in store.upkeeps_of("Storage", "alice")] == ["a", "b", "c"]
    assert store.upkeeps_of("Storage", "bob") == []


def test_people_are_found_by_name_and_by_uid(store: SqlStore) -> None:
    alice, bob = person("alice"), person("bob").model_copy(update={"uid": 2002})
    for one in (alice, bob):
        store.remember_person(one)
    assert {one.username for one in store.people_named(["bob", "nobody", "alice"])} == {"alice", "bob"}
    assert store.people_with([2002, 7]) == [bob]
    assert store.people_named([]) == store.people_with([]) == []
    assert len(store.people_named([*(f"u{n}" for n in range(20_000)), "bob"])) == 1


def test_gids_of_the_directorys_groups_are_noted(store: SqlStore) -> None:
    store.remember_person(person("bob", "astro"))
    store.note_group_gid("astro", 3001)
    store.note_group_gid("unknown", 3002)
    assert (store.group_gid("astro"), store.group_gid("unknown")) == (3001, None)
    store.remember_person(person("carol", "astro"))
    assert store.group_gid("astro") == 3001


def test_grants_from_before_are_due_after_the_migration(empty_url: str) -> None:
    migrate.upgrade(empty_url, to="0002")
    columns = "subject_kind, subject_name, action, resource_kind, resource_name, granted_by, created_at"
    engine = make_engine(empty_url)
    with engine.begin() as connection:
        now = "0" if engine.dialect.name == "sqlite" else "now()"
        for name in ("Storage/alice/shared", "no address"):
            connection.execute(
                sa.text(
                    f"INSERT INTO grants ({columns})"
                    f" VALUES ('user', 'bob', 'read', 'user_volume', :name, 'alice', {now})"
                ),
                {"name": name},
            )
    engine.dispose()
    migrate.upgrade(empty_url)
    store = SqlStore(empty_url)
    found = row(store)
    store.close()
    assert (found.marks, found.phase, found.entries) == (1, Phase.REST, ()) and found.due_at is not None


def test_a_group_subject_reaches_its_volumes(store: SqlStore, clock: FakeClock) -> None:
    put(store, (Subject(kind="group", name="astro"), "top"))
    store.add_grants([grant(portal("top"))], NOON)
    settle(store)
    clock.advance(5)
    put(store, (Subject(kind="group", name="astro"), "top"), status="expelled")
    assert row(store).due_at == clock.now()
