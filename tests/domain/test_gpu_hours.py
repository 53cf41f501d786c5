"""GPU hours in a month: what is accepted within a limit stays within it, whatever the jobs then do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.access import EVERYONE
from sciserver_hpc.domain.gpu_hours import GpuJob, at_most, by_domain, counted, month_of, renewal
from sciserver_hpc.domain.limits import Limit, Month, allowances, excess, load_of
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState

EVENING = datetime(2026, 1, 31, 21, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MOST = 6

ASKED = st.builds(
    Resources,
    gpus=st.integers(1, 2),
    nodes=st.integers(1, 2),
    time_limit_s=st.integers(1, 8).map(lambda count: count * 1800),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), ASKED),
        st.tuples(st.sampled_from(["start", "end"]), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(1, 5)),
    ),
    max_size=40,
)


@dataclass
class Cluster:
    """The rule once more, minute by minute: jobs run, and each minute is counted in its month."""

    now: datetime
    jobs: list[GpuJob]
    used: Counter[tuple[int, int]]

    def wait(self, minutes: int) -> None:
        for _ in range(minutes):
            for place, job in enumerate(self.jobs):
                if job.state is JobState.RUNNING and job.started_at is not None:
                    self.used[self.now.year, self.now.month] += job.asked.gpus * job.asked.nodes
                    if self.now + timedelta(minutes=1) >= job.started_at + timedelta(
                        seconds=job.asked.time_limit_s
                    ):
                        over = self.now + timedelta(minutes=1)
                        self.jobs[place] = replace(job, state=JobState.TIMEOUT, ended_at=over)
            self.now += timedelta(minutes=1)

    def change(self, word: str, pick: int) -> None:
        if not self.jobs:
            return
        place = pick % len(self.jobs)
        job = self.jobs[place]
        if word == "start" and job.state is JobState.PENDING:
            self.jobs[place] = replace(job, state=JobState.RUNNING, started_at=self.now)
        elif word == "end" and not job.state.final:
            self.jobs[place] = replace(job, state=JobState.CANCELLED, ended_at=self.now)


def month(jobs: list[GpuJob], now: datetime) -> Month:
    return Month(by_domain(jobs, month_of(now)), renewal(now))


@given(STEPS)
def test_no_month_has_more_than_the_limit(steps: list[tuple[str, object]]) -> None:
    cluster = Cluster(EVENING, [], Counter())
    limits, me = [Limit(subject=EVERYONE, gpu_hours=MOST)], frozenset({EVERYONE})
    for word, value in steps:
        if word == "submit" and isinstance(value, Resources):
            held = allowances(limits, me, [], month(cluster.jobs, cluster.now))
            if not excess(held, load_of("gpu", value, None)):
                cluster.jobs.append(GpuJob("gpu", value, None, JobState.PENDING, None, None))
        elif isinstance(value, int):
            cluster.wait(value * 20) if word == "wait" else cluster.change(word, value)
        used = cluster.used[cluster.now.year, cluster.now.month] / 60
        assert used <= sum(month(cluster.jobs, cluster.now).hours.values()) + 1e-9
    for place in range(len(cluster.jobs)):
        cluster.change("start", place)
        cluster.wait(10)
    cluster.wait(8 * 30)
    assert all(minutes <= MOST * 60 for minutes in cluster.used.values()), cluster.used
    ours = sum(month(cluster.jobs, cluster.now).hours.values())
    assert round(ours * 60) == cluster.used[cluster.now.year, cluster.now.month]


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(1, 2),
)
def test_an_array_counts_no_less_than_its_tasks_used(minutes: list[int], at_once: int, gpus: int) -> None:
    """Run in order, as many at once as may be."""
    free = [0] * at_once
    for one in minutes:
        first = free.index(min(free))
        free[first] += one
    asked = Resources(gpus=gpus, time_limit_s=3600)
    job = GpuJob(
        "gpu",
        asked,
        f"0-{len(minutes) - 1}%{at_once}",
        JobState.SUCCEEDED,
        FEBRUARY,
        FEBRUARY + timedelta(minutes=max(free)),
        60 * max(minutes),
    )
    found = counted(job, FEBRUARY)
    assert round(found * 60, 6) >= gpus * sum(minutes)
    assert found <= at_most(asked, job.array)


def test_what_is_over_counts_what_it_used_in_the_month() -> None:
    asked = Resources(gpus=2, nodes=2, time_limit_s=90)
    waiting = GpuJob("gpu", asked, None, JobState.PENDING, None, None)
    assert counted(waiting, FEBRUARY) == at_most(asked, None) == 4 * 2 / 60
    ran = replace(
        waiting,
        state=JobState.FAILED,
        started_at=FEBRUARY - timedelta(hours=1),
        ended_at=FEBRUARY + timedelta(hours=2),
    )
    assert counted(ran, FEBRUARY) == 8
    assert counted(ran, month_of(EVENING)) == 12
    assert counted(replace(ran, started_at=None), FEBRUARY) == 0
    early = replace(ran, asked=Resources(gpus=1, time_limit_s=7200), state=JobState.RUNNING, ended_at=None)
    assert counted(early, FEBRUARY) == 1


def test_months_are_of_utc() -> None:
    there = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert month_of(there) == FEBRUARY
    assert renewal(there) == datetime(2026, 3, 1, tzinfo=UTC)
    assert renewal(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
