"""Deciding: 10,000 people, 1,000 nested groups, 100,000 grants, on SQLite and on a PostgreSQL of its own.

A decision is a launch's: nothing remembered, the person's closure and their grants on one thing read anew.
Figures: its 99th percentile on both engines, the longest "everything I may use", how a decision grows from
1,000 grants to 100,000.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

from sciserver_hpc.clock import SystemClock
from sciserver_hpc.domain.access import Action, Grant, Resource, Subject
from sciserver_hpc.domain.groups import Group, Membership, Role, Status, user
from sciserver_hpc.domain.people import Person
from sciserver_hpc.services.sharing import Sharing
from sciserver_hpc.services.site import Site
from sciserver_hpc.store.migrate import upgrade
from sciserver_hpc.store.sql_store import SqlStore
from sciserver_hpc.waking import DatagramWaker
from tests.fakes.directory import FakeDirectory
from tests.store.postgresql import running

from .figure import Figure, tell

PEOPLE, GROUPS, FEW, MANY = 10_000, 1_000, 1_000, 100_000
DECISIONS, LISTS = 1_000, 100
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def fill(store: SqlStore) -> None:
    """Everybody in three groups, each group but the first in one other."""
    dice = Random(1)
    memberships = [
        _member(f"g{number}", user(f"u{who}"))
        for who in range(PEOPLE)
        for number in dice.sample(range(GROUPS), 3)
    ]
    memberships += [_member(f"g{dice.randrange(n)}", _group(n)) for n in range(1, GROUPS)]
    with store.transaction():
        for number in range(GROUPS):
            store.add_group(Group(name=f"g{number}", owner="u0", created_at=NOW))
        store.put_memberships(memberships)


def grant(store: SqlStore, count: int) -> None:
    """Add `count` grants, half to groups."""
    dice = Random(count)
    made = [
        Grant(
            subject=_group(dice.randrange(GROUPS)) if n % 2 else user(f"u{dice.randrange(PEOPLE)}"),
            action=dice.choice([Action.READ, Action.WRITE]),
            resource=_volume(dice),
            granted_by="u1",
        )
        for n in range(count)
    ]
    with store.transaction():
        store.add_grants(made, NOW)


def decisions(store: SqlStore) -> list[float]:
    """Milliseconds of each."""
    site, dice = Site(store, SystemClock()), Random(2)

    def decide() -> None:
        thing = _volume(dice)
        site.load_rights(_person(dice), [thing]).may(Action.READ, thing.kind, thing.name)

    return list(_timed(decide, DECISIONS))


def lists(store: SqlStore) -> list[float]:
    """Milliseconds of each."""
    clock, dice = SystemClock(), Random(3)
    sharing = Sharing(store, FakeDirectory(), clock, Site(store, clock), DatagramWaker(Path("/nowhere")))
    return list(_timed(lambda: sharing.usable(_person(dice)), LISTS))


def measure(engine: str, url: str) -> tuple[float, float, float]:
    """(99th percentile of a decision, its growth, the longest list) on the database at `url`."""
    upgrade(url)
    store = SqlStore(url)
    fill(store)
    grant(store, FEW)
    few = decisions(store)
    grant(store, MANY - FEW)
    many, listed = decisions(store), lists(store)
    store.close()
    p99 = sorted(many)[len(many) * 99 // 100]
    growth = median(many) / median(few)
    print(
        f"{engine}: decision {median(many):.2f} ms, p99 {p99:.2f}, x{growth:.2f}; list {max(listed):.1f} ms"
    )
    return p99, growth, max(listed)


def main() -> int:
    """Measure both engines."""
    gc.collect()
    gc.freeze()  # as the portal's workers do
    with TemporaryDirectory() as folder, running() as server:
        light = measure("SQLite", f"sqlite:///{Path(folder) / 'access.db'}")
        heavy = measure("PostgreSQL", server.new_database())
    tell(
        Figure("access.decide_p99_ms.sqlite", round(light[0], 2), "ms", 5, "lower"),
        Figure("access.decide_p99_ms.postgresql", round(heavy[0], 2), "ms", 5, "lower"),
        Figure("access.usable_list_ms", round(max(light[2], heavy[2]), 1), "ms", 100, "lower"),
        Figure("access.growth", round(max(light[1], heavy[1]), 2), "ratio", 1.3, "lower"),
    )
    return 0


def _timed(does: Callable[[], object], times: int) -> Iterator[float]:
    for _ in range(times):
        begun = time.perf_counter()
        does()
        yield (time.perf_counter() - begun) * 1000


def _person(dice: Random) -> Person:
    return Person(username=f"u{dice.randrange(PEOPLE)}", uid=2000, gid=2000, groups=frozenset({"users"}))


def _volume(dice: Random) -> Resource:
    return Resource(kind="user_volume", name=f"Storage/u{dice.randrange(PEOPLE)}/v{dice.randrange(3)}")


def _group(number: int) -> Subject:
    return Subject(kind="portal_group", name=f"g{number}")


def _member(group: str, member: Subject) -> Membership:
    return Membership(
        group=group, member=member, role=Role.MEMBER, status=Status.ACCEPTED, by="u0", changed_at=NOW
    )


if __name__ == "__main__":
    sys.exit(main())
