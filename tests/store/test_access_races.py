"""Groups and grants changed by several at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.audit import Asker, Outcome
from sciserver_hpc.domain.errors import SciServerError
from sciserver_hpc.domain.groups import Accessibility
from sciserver_hpc.domain.people import Person
from sciserver_hpc.services.groups import Groups
from sciserver_hpc.services.sharing import Sharing
from sciserver_hpc.services.site import Site
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.directory import FakeDirectory
from tests.fakes.waker import FakeWaker

ALICE = Person(username="alice", uid=2001, gid=2001)
RING = ("a", "b", "c", "d")
SHARED = Resource(kind="user_volume", name="Storage/alice/shared")


def portal(name: str) -> Subject:
    return Subject(kind="portal_group", name=name)


class Contenders:
    """Several processes' services over one database."""

    def __init__(self, url: str) -> None:
        people = FakeDirectory()
        people.add(ALICE, "x")
        self.stores = [SqlStore(url, timeout_s=60) for _ in RING]
        clock = FakeClock()
        self.groups = [Groups(store, people, clock, FakeWaker()) for store in self.stores]
        self.sharing = [
            Sharing(store, people, clock, Site(store, clock), FakeWaker()) for store in self.stores
        ]
        self.stores[0].remember_person(ALICE)
        self.stores[0].add_user_volume("Storage", "alice", "shared", "")

    def together(self, *acts: Any) -> list[bool]:
        """Each act in a thread of its own, begun at one moment; which of them were not refused."""
        start = Barrier(len(acts))

        def one(act: Any) -> bool:
            start.wait(60)
            try:
                act()
            except SciServerError:
                return False
            return True

        with ThreadPoolExecutor(len(acts)) as pool:
            return list(pool.map(one, acts))


@pytest.fixture
def at_once(url: str) -> Iterator[Contenders]:
    made = Contenders(url)
    yield made
    for store in made.stores:
        store.close()


def test_acceptances_at_one_moment_close_no_circle(at_once: Contenders) -> None:
    asker = Asker(ALICE)
    for name in RING:
        at_once.groups[0].create(asker, name, "", Accessibility.PRIVATE)
    pairs = list(zip(RING, RING[1:] + RING[:1], strict=True))
    for outer, inner in pairs:
        at_once.groups[0].invite(asker, outer, portal(inner))

    def accept(number: int) -> Any:
        outer, inner = pairs[number]
        return lambda: at_once.groups[number].accept(asker, outer, portal(inner))

    done = at_once.together(*map(accept, range(len(RING))))
    assert sorted(done) == [False, True, True, True]
    assert max(len(at_once.stores[0].reach([portal(name)])) for name in RING) == len(RING)
    refused = [entry for entry in at_once.stores[0].audit() if entry.outcome is Outcome.REFUSED]
    assert len(refused) == 1


def test_one_name_makes_one_group(at_once: Contenders) -> None:
    kinds = [Accessibility.PRIVATE, Accessibility.PUBLIC]
    done = at_once.together(
        *(
            lambda n=n: at_once.groups[n].create(Asker(ALICE), "survey", f"{n}", kinds[n % 2])
            for n in range(4)
        )
    )
    assert sorted(done) == [False, False, False, True]


def test_nothing_is_granted_to_a_group_that_ends(at_once: Contenders) -> None:
    asker = Asker(ALICE)
    for number in range(5):
        name = f"g{'x' * number}"
        at_once.groups[0].create(asker, name, "", Accessibility.PRIVATE)
        at_once.together(
            lambda name=name: at_once.groups[1].delete(asker, name),
            lambda name=name: at_once.sharing[2].give(asker, SHARED, portal(name), [Action.READ]),
        )
        assert at_once.stores[0].group(name) is None
        assert not at_once.stores[0].named_in_grants(name)
