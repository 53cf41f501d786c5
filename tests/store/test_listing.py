"""Lists: whatever is asked for, paging either way shows each job once, in order; and by which index."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.listing import LATE, Place, Sought
from sciserver_hpc.domain.states import ACTIVE, JobState
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import NOON, add_job, make_job, next_job_id

HOUR = timedelta(hours=1)
STATES = (JobState.PENDING, JobState.FAILED, JobState.LOST)
NAMES = ("sweep-1", "Sweep 2", "fit", "100%_a\\b")
HOURS = st.integers(-3, 30).map(lambda hours: NOON + hours * HOUR)


def a_history(store: SqlStore, owners: tuple[str, ...] = ("alice", "bob"), count: int = 40) -> list[Job]:
    """Newest first; now and then one is accepted earlier than the one before it, but not by much."""
    made = []
    for number in range(count):
        at = NOON + number * HOUR / 2 - (number % 3) * (LATE / 3)
        made.append(
            add_job(
                store,
                make_job(
                    next_job_id(store),
                    owner=owners[number % len(owners)],
                    state=STATES[number % 7 % 3],
                    name=NAMES[number % 5 % 4],
                    domain="gpu" if number % 4 else "batch",
                    accepted_at=at,
                ),
                "d",
                "{}",
            )
        )
    return made[::-1]


SOUGHT = st.builds(
    Sought,
    owner=st.sampled_from([None, "alice", "carol"]),
    states=st.none() | st.lists(st.sampled_from(STATES), unique=True),
    domain=st.sampled_from([None, "gpu", "other"]),
    name=st.sampled_from([None, "SWEEP", "0%_A\\", "", "nothing"]),
    after=st.none() | HOURS,
    before=st.none() | HOURS,
)


def fits(job: Job, sought: Sought) -> bool:
    return (
        sought.owner in (None, job.owner)
        and (sought.states is None or job.state in sought.states)
        and sought.domain in (None, job.domain)
        and (sought.name is None or sought.name.lower() in job.name.lower())
        and (sought.after is None or sought.after <= job.accepted_at)
        and (sought.before is None or job.accepted_at < sought.before)
    )


def older(store: SqlStore, sought: Sought, limit: int, look: int) -> Iterator[list[Job]]:
    place = Place()
    while True:
        found = store.jobs(sought, place, limit=limit, look=look)
        yield found.jobs
        if found.older is None:
            return
        assert place.before_id is None or found.older < place.before_id
        place = Place(before_id=found.older)


def newer(store: SqlStore, sought: Sought, limit: int, look: int) -> Iterator[list[Job]]:
    place = Place(after_id=0)
    while True:
        found = store.jobs(sought, place, limit=limit, look=look)
        yield found.jobs[::-1]
        if found.newer is None:
            return
        place = Place(after_id=found.newer)


def test_paging_shows_each_job_once_whatever_is_asked_for(store: SqlStore) -> None:
    made = a_history(store)

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(SOUGHT, st.integers(1, 9), st.integers(1, 50))
    def check(sought: Sought, limit: int, look: int) -> None:
        wanted = [job for job in made if fits(job, sought)]
        pages = list(older(store, sought, limit, look))
        assert [job for page in pages for job in page] == wanted
        assert all(len(page) <= limit for page in pages)
        assert [job for page in newer(store, sought, limit, look) for job in page] == wanted[::-1]
        if not sought.looked_through:
            assert all(len(page) == limit for page in pages[:-1])

    check()


def test_a_search_looks_through_so_many_jobs_and_tells_where_to_go_on(store: SqlStore) -> None:
    made = a_history(store, ("alice",), 10)
    found = store.jobs(Sought(owner="alice", name="nothing"), look=4)
    assert (found.jobs, found.older) == ([], made[3].id)
    rest = store.jobs(Sought(owner="alice", name="nothing"), Place(before_id=found.older), look=6)
    assert (rest.jobs, rest.older) == ([], made[9].id)
    assert store.jobs(Sought(owner="alice", name="nothing"), Place(before_id=rest.older)).older is None


def test_a_search_in_the_past_begins_there(store: SqlStore) -> None:
    """A look of a few is enough, though many newer jobs are there."""
    made = a_history(store, ("alice",), 40)
    wanted = Sought(owner="alice", after=NOON, before=NOON + HOUR)
    found = store.jobs(wanted, look=8)
    assert found.jobs == [job for job in made if fits(job, wanted)] != []


@pytest.mark.parametrize(
    "sought",
    [
        Sought(owner="alice"),
        Sought(owner="alice", states=ACTIVE),
        Sought(owner="alice", name="sweep"),
        Sought(owner="alice", domain="gpu", states=(JobState.FAILED,)),
        Sought(owner="alice", after=NOON, before=NOON + HOUR),
        Sought(states=ACTIVE),
    ],
    ids=str,
)
def test_a_page_reads_rows_of_what_it_shows_alone(store: SqlStore, sought: Sought) -> None:
    """Whatever the length of the history, no plan walks through the table."""
    a_history(store)
    for plan in plans(store, lambda: store.jobs(sought)):
        assert not walks_through(plan), plan


def plans(store: SqlStore, ask: Callable[[], object]) -> list[str]:
    """How the engine answers each statement of `ask` where it has a choice of indexes."""
    asked: list[tuple[str, Any]] = []
    engine = store._database.engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(_c: object, _cur: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    ask()
    event.remove(engine, "before_cursor_execute", note)
    assert asked
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if not sqlite:  # of so few rows it would read all
            connection.exec_driver_sql("SET enable_seqscan = off")
        explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
        return [
            "\n".join(row[-1] for row in connection.exec_driver_sql(explain + statement, parameters))
            for statement, parameters in asked
        ]


def walks_through(plan: str) -> bool:
    return any(re.fullmatch(r"SCAN jobs|.*Seq Scan on jobs\b.*", line) for line in plan.splitlines())


@pytest.mark.parametrize("question", ["active_jobs", "waiting_jobs", "sessions_to_tend"])
def test_what_the_broker_asks_every_turn_reads_no_history(store: SqlStore, question: str) -> None:
    a_history(store)
    for plan in plans(store, getattr(store, question)):
        assert not walks_through(plan), plan
