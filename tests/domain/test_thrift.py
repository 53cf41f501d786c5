"""What to ask for next time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.jobs import Job, Usage
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.thrift import LEAST_S, advice, fitting
from tests.fakes.jobs import make_job, make_spec


def ended(asked: Resources, state: JobState = JobState.SUCCEEDED, **used: Any) -> Job:
    array = used.pop("array", None)
    return make_job(spec=make_spec(resources=asked, array=array), state=state, usage=Usage(**used))


WIDE = Resources(cpus=8, memory_mb=16384, time_limit_s=8 * 3600)
LITTLE = {"elapsed_s": 600, "cpu_s": 900.0, "max_rss": 1000 << 20}


def test_all_that_was_too_much_is_named_with_what_fits() -> None:
    job = ended(WIDE, **LITTLE)
    assert fitting(job) == Resources(cpus=2, memory_mb=1536, time_limit_s=1200)
    assert advice(job) == (
        "Used 1000 of 16384 MB, 1.5 of 8 CPUs and 10 min of 8 h:"
        " ask for 1536 MB, 2 CPUs and 20 min next time, and it may start sooner."
    )


def test_one_thing_that_was_too_much_is_named_alone() -> None:
    job = ended(Resources(memory_mb=4096, time_limit_s=1200), **LITTLE)
    assert advice(job) == "Used 1000 of 4096 MB: ask for 1536 MB next time, and it may start sooner."


@pytest.mark.parametrize(
    "job",
    [
        ended(Resources(cpus=2, memory_mb=1280, time_limit_s=1200), **LITTLE),
        ended(WIDE, JobState.FAILED, **LITTLE),
        ended(WIDE, **LITTLE | {"elapsed_s": LEAST_S - 1}),
        ended(WIDE, **LITTLE | {"elapsed_s": None}),
        make_job(state=JobState.SUCCEEDED),
    ],
    ids=["it fitted", "it failed", "it was short", "no time is known", "nothing is known"],
)
def test_nothing_is_said_where_there_is_nothing_to_say(job: Job) -> None:
    assert (fitting(job), advice(job)) == (None, "")


def test_of_an_array_nothing_is_said_about_cpus() -> None:
    better = fitting(ended(WIDE, array="0-9", **LITTLE))
    assert better is not None and better.cpus == WIDE.cpus and better.memory_mb < WIDE.memory_mb


@given(
    asked=st.builds(
        Resources,
        cpus=st.integers(1, 256),
        memory_mb=st.integers(1, 1 << 20),
        time_limit_s=st.integers(60, 366 * 86400),
    ),
    elapsed=st.integers(0, 366 * 86400),
    cores=st.none() | st.floats(0, 300),
    rss=st.none() | st.integers(0, 1 << 40),
)
def test_what_fits_is_less_than_was_asked_and_more_than_was_used(
    asked: Resources, elapsed: int, cores: float | None, rss: int | None
) -> None:
    cpu_s = None if cores is None else cores * elapsed
    job = ended(asked, elapsed_s=elapsed, cpu_s=cpu_s, max_rss=rss)
    better = fitting(job)
    assert bool(advice(job)) == (better is not None)
    if better is None:
        return
    assert better != asked
    for field, used in (
        ("cpus", cores or 0),
        ("memory_mb", (rss or 0) / 2**20),
        ("time_limit_s", elapsed),
    ):
        now, then = getattr(better, field), getattr(asked, field)
        assert now == then or (used <= now < then)
