"""Readings of end records: kept from one turn to the next, and no longer."""

from __future__ import annotations

import pytest

from sciserver_hpc.broker.end_records import EndRecords
from sciserver_hpc.broker.errands import Errands
from tests.broker.world import World
from tests.fakes.jobs import make_job

JOB = make_job()


@pytest.fixture
def ends(world: World) -> EndRecords:
    """Of an agent that hangs each time, and has just come back with its first answer."""
    world.gate.shut("end records", JOB.uid)
    ends = EndRecords(world.clock, world.folders, Errands(1.0, lambda: None, world.strands))  # type: ignore[arg-type]
    assert ends.read([JOB]) == {}
    world.clock.advance(1)
    world.strands.resume_all()
    return ends


def test_one_that_came_late_is_dated_by_its_question_and_used_once(world: World, ends: EndRecords) -> None:
    asked_at = world.clock.now()
    world.clock.advance(1)
    assert ends.read([JOB])[JOB.uuid].asked_at < asked_at
    assert ends.read([JOB]) == {}


def test_one_whose_job_is_not_over_any_more_is_forgotten(ends: EndRecords) -> None:
    assert ends.read([]) == {}
    assert ends.read([JOB]) == {}
