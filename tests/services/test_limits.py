"""Limits of groups where jobs are accepted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sciserver_hpc.domain.access import EVERYONE, Subject
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.errors import Refused
from sciserver_hpc.domain.groups import Accessibility
from sciserver_hpc.domain.limits import Limit
from sciserver_hpc.domain.listing import Sought
from sciserver_hpc.domain.states import JobState
from tests.fakes.jobs import change_job

from .world import ALICE, BATCH, BOB, SITE, World, shell

SURVEY = Subject(kind="portal_group", name="survey")


def ends(world: World, job_id: int) -> None:
    job = world.store.job(job_id)
    assert job is not None
    over = job.model_copy(update={"state": JobState.SUCCEEDED, "ended_at": world.clock.now()})
    assert change_job(world.store, job, over, [])


def test_nobody_is_limited_where_no_limit_applies(world: World) -> None:
    world.apply(limits=(Limit(subject=SURVEY, jobs=0),))
    assert world.jobs.submit(ALICE, shell())[1]
    assert world.catalogue.allowances(ALICE) == []


def test_a_job_too_many_is_refused_until_one_ends(world: World) -> None:
    world.apply(limits=(Limit(subject=EVERYONE, jobs=2, cpus=100),))
    first, _ = world.jobs.submit(ALICE, shell())
    world.jobs.submit(ALICE, shell())
    with pytest.raises(Refused, match="jobs: everyone may have 2 unfinished jobs at once; you have 2"):
        world.jobs.submit(ALICE, shell())
    assert len(world.store.jobs(Sought(owner="alice")).jobs) == 2
    assert world.jobs.submit(BOB, shell())[1]
    ends(world, first.id)
    assert world.jobs.submit(ALICE, shell())[1]


def test_the_same_key_is_no_new_job(world: World) -> None:
    world.apply(limits=(Limit(subject=EVERYONE, jobs=1),))
    job, _ = world.jobs.submit(ALICE, shell(), "k")
    assert world.jobs.submit(ALICE, shell(), "k") == (job, False)


def test_a_group_of_the_portal_lifts_a_limit_while_one_is_in_it(world: World) -> None:
    world.apply(limits=(Limit(subject=EVERYONE, cpus=2), Limit(subject=SURVEY, cpus=4)))
    world.jobs.submit(ALICE, shell())
    with pytest.raises(Refused, match="cpus: everyone may have 2 CPUs"):
        world.jobs.submit(ALICE, shell())
    alice, bob = Asker(ALICE), Asker(BOB)
    world.groups.create(bob, "survey", "", Accessibility.PUBLIC)
    world.groups.join(alice, "survey")
    world.clock.advance(2)
    world.jobs.submit(ALICE, shell())
    with pytest.raises(Refused, match="cpus: members of group survey may have 4 CPUs"):
        world.jobs.submit(ALICE, shell())
    world.groups.leave(alice, "survey")
    world.clock.advance(2)
    with pytest.raises(Refused, match="cpus: everyone may have 2 CPUs"):
        world.jobs.submit(ALICE, shell())


def test_arrays_count_as_many_as_may_run_at_once(world: World) -> None:
    world.apply(limits=(Limit(subject=EVERYONE, jobs=10, domain="batch"),))
    with pytest.raises(Refused, match="asks 100; ask for less"):
        world.jobs.submit(ALICE, shell(array="0-99"))
    assert world.jobs.submit(ALICE, shell(array="0-99%10"))[1]
    (held,) = world.catalogue.allowances(ALICE)
    assert (held.domain, held.most, held.used) == ("batch", 10, 10)


def test_of_many_those_are_accepted_that_fit_each_judged_after_the_one_before(world: World) -> None:
    world.apply(limits=(Limit(subject=EVERYONE, cpus=6),))
    asked = [(shell(resources={"cpus": cpus}), key) for cpus, key in ((4, "a"), (4, "b"), (2, "c"), (4, "a"))]
    first, second, third, again = world.jobs.submit_many(ALICE, asked)
    assert isinstance(second, Refused) and "cpus: everyone may have 6 CPUs at once; you have 4" in str(second)
    assert isinstance(first, tuple) and isinstance(third, tuple)
    assert again == (first[0], False)
    assert len(world.store.jobs(Sought(owner="alice")).jobs) == 2


def test_a_request_sent_twice_at_once_is_not_refused_for_its_own_job(world: World) -> None:
    """The other one is accepted by the portal's other process, between the look for the key and the turn."""
    world.apply(limits=(Limit(subject=EVERYONE, jobs=1),))
    hold, other, elsewhere = world.store.hold_jobs, [], world.make_jobs()

    def late(owner: str) -> None:
        world.store.hold_jobs = hold  # type: ignore[method-assign]
        other.append(elsewhere.submit(ALICE, shell(), "k")[0])
        hold(owner)

    world.store.hold_jobs = late  # type: ignore[method-assign]
    assert world.jobs.submit(ALICE, shell(), "k") == (other[0], False)


GPU = BATCH.model_copy(update={"limits": BATCH.limits.model_copy(update={"gpus": 4})})


def test_gpu_hours_of_a_month_are_what_was_used_and_what_may_be(world: World) -> None:
    domains = tuple(GPU if one.name == "batch" else one for one in SITE.domains)
    world.apply(domains=domains, limits=(Limit(subject=EVERYONE, gpu_hours=10, domain="batch"),))
    asked = {"gpus": 2, "time_limit_s": 3 * 3600}
    job, _ = world.jobs.submit(ALICE, shell(resources=asked))
    with pytest.raises(Refused, match=r"may use 10 GPU hours in domain batch in a month \(UTC\); 6 are used"):
        world.jobs.submit(ALICE, shell(resources=asked))
    assert world.jobs.submit(ALICE, shell())[1]
    assert world.jobs.submit(BOB, shell(resources=asked))[1]
    began = world.clock.now()
    runs = job.model_copy(update={"state": JobState.RUNNING, "started_at": began})
    job = change_job(world.store, job, runs, []) or job
    world.clock.advance(3600)
    ends(world, job.id)
    (held,) = world.catalogue.allowances(ALICE)
    assert (held.used, held.most, held.renews) == (2, 10, datetime(2026, 2, 1, tzinfo=UTC))
    assert world.jobs.submit(ALICE, shell(resources=asked))[1]
    world.clock.advance(31 * 86400)
    (held,) = world.catalogue.allowances(ALICE)
    assert (held.used, held.renews) == (6, datetime(2026, 3, 1, tzinfo=UTC))


def test_preview_and_test_only_say_what_submitting_would(world: World) -> None:
    world.apply(limits=(Limit(subject=EVERYONE, cpus=6),))
    world.jobs.submit(ALICE, shell(resources={"cpus": 4}))
    assert world.jobs.preview(ALICE, shell())
    for ask in (world.jobs.preview, world.jobs.test_only, world.jobs.submit):
        with pytest.raises(Refused, match="cpus: everyone may have 6 CPUs at once; you have 4"):
            ask(ALICE, shell(resources={"cpus": 4}))
    full = world.make_jobs(max_active=1)
    for ask in (full.preview, full.test_only, full.submit):
        with pytest.raises(Refused, match="you have 1 unfinished jobs"):
            ask(ALICE, shell())
