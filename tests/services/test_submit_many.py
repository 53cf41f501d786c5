"""Many requests at once: each is judged as if it came alone."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sciserver_hpc.domain.errors import Conflict, Refused, SciServerError, Unavailable
from sciserver_hpc.domain.jobs import Dependency, Job, JobRequest
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.volumes import UserVolume, VolumeMount
from sciserver_hpc.services.jobs import Jobs

from .world import ALICE, BOB, World, shell

Asked = tuple[JobRequest, str | None]

REQUESTS = [
    shell(),
    shell(command="date"),
    shell(image="r", name="other"),
    shell(image="nobody"),
    shell(image="hidden"),
    shell(domain="quick"),
    shell(resources=Resources(cpus=99)),
    shell(dependencies=(Dependency(job=10**15),)),
    shell(volumes=(VolumeMount.parse("sdss"), VolumeMount.parse("Storage/bob/shared"))),
    shell(volumes=(VolumeMount.parse("Storage/bob/private"),)),
    shell(results=VolumeMount.parse("Storage/alice/persistent:rw")),
    shell(results=VolumeMount.parse("Storage/alice/nope:rw")),
]
ASKED = st.lists(
    st.tuples(st.sampled_from(REQUESTS), st.sampled_from([None, "k", "l", "m", "used"])), max_size=12
)


def one_by_one(jobs: Jobs, asked: list[Asked]) -> list[tuple[Job, bool] | SciServerError]:
    outcomes: list[tuple[Job, bool] | SciServerError] = []
    for request, key in asked:
        try:
            outcomes.append(jobs.submit(ALICE, request, key))
        except SciServerError as error:
            outcomes.append(error)
    return outcomes


def told(outcomes: list[tuple[Job, bool] | SciServerError]) -> list[object]:
    """Outcomes with jobs numbered by their first appearance: ids and uuids are chance."""
    numbers: dict[str, int] = {}
    return [
        (type(outcome), getattr(outcome, "problems", None), getattr(outcome, "items", None))
        if isinstance(outcome, SciServerError)
        else (numbers.setdefault(outcome[0].uuid, len(numbers)), outcome[0].name, outcome[1])
        for outcome in outcomes
    ]


def rows(world: World) -> list[object]:
    """What the database holds of each job, without what is chance."""
    jobs = world.store.jobs(limit=100).jobs[::-1]
    texts = world.store.requests([job.id for job in jobs])
    chance = {"uuid", "id", "folder"}
    return [
        (
            job.model_dump(exclude=chance | {"spec"}),
            job.spec.model_dump(exclude=chance),
            texts[job.id],
            world.store.events(job.id),
        )
        for job in jobs
    ]


@given(asked=ASKED, room=st.integers(1, 8))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_at_once_are_the_same_as_one_by_one(asked: list[Asked], room: int) -> None:
    results = []
    for together in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            jobs = world.make_jobs(max_active=room)
            jobs.submit(ALICE, shell(), "used")
            outcomes = jobs.submit_many(ALICE, asked) if together else one_by_one(jobs, asked)
            results.append((told(outcomes), rows(world)))
            world.store.close()
    assert results[0] == results[1]


def test_the_broker_is_woken_once_for_all_and_not_for_nothing(world: World) -> None:
    asked: list[Asked] = [(shell(), f"k{number}") for number in range(5)]
    outcomes = world.jobs.submit_many(ALICE, asked)
    assert world.waker.woken == 1
    assert world.jobs.submit_many(ALICE, asked) == [(o[0], False) for o in outcomes if isinstance(o, tuple)]
    assert world.jobs.submit_many(ALICE, []) == []
    assert world.waker.woken == 1


def test_those_over_the_cap_are_refused_each(world: World) -> None:
    jobs = world.make_jobs(max_active=2)
    outcomes = jobs.submit_many(ALICE, [(shell(name=f"n{number}"), None) for number in range(4)])
    assert [isinstance(outcome, tuple) for outcome in outcomes] == [True, True, False, False]
    for outcome in outcomes[2:]:
        assert isinstance(outcome, Refused) and "2 unfinished jobs" in outcome.items["jobs"]
    assert isinstance(jobs.submit_many(BOB, [(shell(), None)])[0], tuple)


def test_a_key_used_twice_in_one_request(world: World) -> None:
    [first, again, other] = world.jobs.submit_many(
        ALICE, [(shell(), "k"), (shell(), "k"), (shell(image="nobody"), "k")]
    )
    assert isinstance(first, tuple) and again == (first[0], False)
    assert isinstance(other, Conflict) and f"job {first[0].id}" in str(other)


def test_a_volume_that_cannot_be_made_refuses_those_that_need_it_and_is_tried_once(world: World) -> None:
    world.store.add_user_volume("Storage", "alice", "persistent", "")
    world.agents.fail(ALICE.uid, Unavailable("agent", "down"))
    elsewhere = shell(results=VolumeMount.parse("Storage/alice/persistent:rw"))
    outcomes = world.jobs.submit_many(ALICE, [(shell(), None), (elsewhere, None), (shell(), None)])
    assert [type(outcome) for outcome in outcomes] == [Unavailable, tuple, Unavailable]
    assert outcomes[0] is outcomes[2]


def test_when_the_database_fails_midway_nothing_is_recorded(world: World) -> None:
    with world.store._database.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER midway BEFORE INSERT ON job_events WHEN NEW.job_id = 2 "
            "BEGIN SELECT RAISE(ABORT, 'midway'); END"
        )
    with pytest.raises(SciServerError):
        world.jobs.submit_many(ALICE, [(shell(), f"k{number}") for number in range(3)])
    assert world.jobs.list(ALICE).jobs == [] and world.waker.woken == 0
    with world.store._database.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER midway")
    outcomes = world.jobs.submit_many(ALICE, [(shell(), f"k{number}") for number in range(3)])
    assert [isinstance(outcome, tuple) and outcome[1] for outcome in outcomes] == [True] * 3


def test_volumes_of_others_are_asked_for_all_together(world: World) -> None:
    ask, asked = world.store.user_volumes_at, []

    def told(addresses: Sequence[tuple[str, ...]]) -> list[UserVolume]:
        asked.append(list(addresses))
        return ask(addresses)

    world.store.user_volumes_at = told  # type: ignore[method-assign]
    names = ("shared", "private", "none")
    mounts = [VolumeMount.parse(f"Storage/bob/{name}") for name in names]
    first, second, third = world.jobs.submit_many(ALICE, [(shell(volumes=(one,)), None) for one in mounts])
    assert isinstance(first, tuple)
    assert isinstance(second, SciServerError) and isinstance(third, SciServerError)
    assert asked == [[("Storage", "bob", name) for name in sorted(names)]]
