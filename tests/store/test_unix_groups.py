"""Rows of groups that are Unix groups: due by any change of who is in, written by compare and set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sciserver_hpc.domain.errors import Conflict
from sciserver_hpc.domain.groups import user
from sciserver_hpc.domain.unix_groups import GroupDue, OnFiles, UnixGroup
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import NOON

from .test_access import grant, group, person, portal, put

SECOND = timedelta(seconds=1)


def row(store: SqlStore, name: str = "top") -> UnixGroup:
    found = store.unix_group(name)
    assert found is not None
    return found


@pytest.fixture
def top(store: SqlStore) -> UnixGroup:
    """A Unix group with the group `low` in it, told and settled."""
    for name in ("top", "low", "lower"):
        store.add_group(group(name))
    put(store, (portal("low"), "top"), (user("dan"), "low"))
    store.add_unix_group(UnixGroup(group="top", name="portal-top", gid=7001))
    return row(store)


def _join(store: SqlStore) -> None:
    put(store, (user("carol"), "low"))


def _leave(store: SqlStore) -> None:
    put(store, (user("dan"), "low"), status="left")


def _nest(store: SqlStore) -> None:
    put(store, (portal("lower"), "low"))


def _end_below(store: SqlStore) -> None:
    store.delete_group("low", store._now())


def _end(store: SqlStore) -> None:
    store.delete_group("top", store._now())


def _first_login(store: SqlStore) -> None:
    store.remember_person(person("dan"))


@pytest.mark.parametrize("change", [_join, _leave, _nest, _end_below, _end, _first_login])
def test_whoever_comes_or_goes_below_makes_it_due(
    store: SqlStore, clock: FakeClock, top: UnixGroup, change: Callable[[SqlStore], None]
) -> None:
    assert store.unix_groups_due(clock.now(), 9) == []
    change(store)
    assert store.unix_groups_due(clock.now(), 9) == [GroupDue(group="top", directory=True, agent=False)]
    assert row(store).marks == top.marks + 1


def test_what_happens_elsewhere_does_not(store: SqlStore, clock: FakeClock, top: UnixGroup) -> None:
    put(store, (user("carol"), "lower"))
    assert row(store) == top


def test_a_mark_that_came_meanwhile_is_kept(store: SqlStore, clock: FakeClock, top: UnixGroup) -> None:
    _join(store)
    later = top.model_copy(update={"due_at": clock.now() + 9 * SECOND})
    assert store.keep_unix_group(top, later)
    assert row(store).due_at == clock.now()
    assert store.keep_unix_group(top, later) is None
    assert store.keep_unix_group(row(store), later)
    assert row(store).due_at == clock.now() + 9 * SECOND


def test_each_day_comes_for_itself(store: SqlStore, clock: FakeClock, top: UnixGroup) -> None:
    now = clock.now()
    assert store.keep_unix_group(top, top.model_copy(update={"due_at": now + SECOND, "look_at": now}))
    assert store.unix_groups_due(now, 9) == [GroupDue(group="top", directory=False, agent=True)]
    assert store.unix_groups_due(now + SECOND, 9) == [GroupDue(group="top", directory=True, agent=True)]


def test_another_name_on_files_marks_the_volumes(store: SqlStore, clock: FakeClock, top: UnixGroup) -> None:
    store.add_grants([grant(portal("top"))], NOON)
    [due] = store.upkeeps_due(clock.now(), 9)
    old = store.upkeep(due.root, due.owner, due.name)
    assert old is not None and store.keep_up(old, old.model_copy(update={"due_at": None}))
    told = top.model_copy(update={"told_at": clock.now()})
    assert (kept := store.keep_unix_group(top, told))
    assert store.upkeeps_due(clock.now(), 9) == []
    assert store.keep_unix_group(kept, told.model_copy(update={"on_files": OnFiles.GROUP}))
    assert store.upkeeps_due(clock.now(), 9) == [due]


def test_a_number_is_one_groups_for_ever(store: SqlStore, top: UnixGroup) -> None:
    store.add_unix_group(UnixGroup(group="low", name="portal-low"))
    low = row(store, "low")
    with pytest.raises(Conflict):
        store.keep_unix_group(low, low.model_copy(update={"gid": 7001}))
    _end(store)
    assert (store.gids_given(), row(store).gid) == (frozenset({7001}), 7001)


def test_those_without_a_row_are_told(store: SqlStore, top: UnixGroup) -> None:
    _end_below(store)
    assert store.groups_not_unix(9) == ["lower"]
    before = row(store)
    store.add_unix_group(UnixGroup(group="top", name="other", gid=1))
    assert row(store) == before
