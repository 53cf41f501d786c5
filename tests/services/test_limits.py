"""Limits of groups where jobs are accepted."""

from __future__ import annotations

import pytest

from sciserver_hpc.domain.access import EVERYONE, Subject
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.errors import Refused
from sciserver_hpc.domain.groups import Accessibility
from sciserver_hpc.domain.limits import Limit
from sciserver_hpc.domain.states import JobState

from .world import ALICE, BOB, World, shell

SURVEY = Subject(kind="portal_group", name="survey")


def ends(world: World, job_id: int) -> None:
    job = world.store.job(job_id)
    assert job is not None
    over = job.model_copy(update={"state": JobState.SUCCEEDED, "ended_at": world.clock.now()})
    assert world.store.change_job(job, over, [])


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
    assert len(world.store.jobs(owner="alice")) == 2
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
