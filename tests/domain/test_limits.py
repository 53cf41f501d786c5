"""How much one person may have at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sciserver_hpc.domain.access import EVERYONE, Subject
from sciserver_hpc.domain.arrays import at_once
from sciserver_hpc.domain.limits import Limit, Load, Measure, Month, allowances, excess, load_of
from sciserver_hpc.domain.resources import Resources

SURVEY = Subject(kind="portal_group", name="survey")
ASTRO = Subject(kind="group", name="astro")
ME = Subject(kind="user", name="alice")
MINE = frozenset({EVERYONE, SURVEY, ME})

DOMAINS = ("batch", "gpu")
AMOUNT = st.integers(0, 12)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
LOADS = st.builds(
    Load,
    domain=st.sampled_from(DOMAINS),
    jobs=st.integers(1, 3),
    cpus=AMOUNT,
    gpus=AMOUNT,
    gpu_hours=AMOUNT.map(lambda tenths: tenths / 10),
)
LIMITS = st.builds(
    Limit,
    subject=st.sampled_from((EVERYONE, SURVEY, ASTRO, ME)),
    domain=st.none() | st.sampled_from(DOMAINS),
    jobs=st.none() | AMOUNT,
    cpus=st.none() | AMOUNT,
    gpus=AMOUNT,
    gpu_hours=st.none() | st.integers(0, 4),
)


def month(live: list[Load]) -> Month:
    hours = {name: sum(one.gpu_hours for one in live if one.domain == name) for name in DOMAINS}
    return Month(hours, MARCH)


def refused(limits: list[Limit], live: list[Load], asked: Load) -> bool:
    return bool(excess(allowances(limits, MINE, live, month(live)), asked))


def too_much(limits: list[Limit], live: list[Load], asked: Load) -> bool:
    """The rule once more, in the plainest words."""
    for measure in Measure:
        for domain in (None, *DOMAINS):
            mine = [one for one in limits if one.subject in MINE and one.domain == domain]
            most = [getattr(one, measure) for one in mine if getattr(one, measure) is not None]
            there = [one for one in (*live, asked) if domain in (None, one.domain)]
            new = getattr(asked, measure) if asked in there else 0
            if most and new and round(sum(getattr(one, measure) for one in there), 6) > max(most):
                return True
    return False


@given(st.lists(LIMITS, max_size=8), st.lists(LOADS, max_size=6), LOADS)
def test_the_most_generous_limit_of_each_measure_and_domain_holds(
    limits: list[Limit], live: list[Load], asked: Load
) -> None:
    assert refused(limits, live, asked) == too_much(limits, live, asked)


@given(st.lists(LIMITS.filter(lambda one: one.subject == ASTRO), max_size=8), st.lists(LOADS), LOADS)
def test_other_groups_limits_do_not_apply(limits: list[Limit], live: list[Load], asked: Load) -> None:
    assert not refused(limits, live, asked)


@given(st.lists(LIMITS, max_size=8), st.lists(LOADS, max_size=30))
def test_whoever_asks_one_after_the_other_stays_within(limits: list[Limit], wanted: list[Load]) -> None:
    live: list[Load] = []
    for asked in wanted:
        if not refused(limits, live, asked):
            live.append(asked)
    assert all(one.holds(0) for one in allowances(limits, MINE, live, month(live)))


@given(st.lists(LIMITS, max_size=8), st.lists(LOADS, max_size=6), LOADS)
def test_a_wider_limit_never_takes_away(limits: list[Limit], live: list[Load], asked: Load) -> None:
    wider = [
        one.model_copy(update={m: most + 1 for m in Measure if (most := one.most(m)) is not None})
        for one in limits
    ]
    assert refused(limits, live, asked) or not refused(limits + wider, live, asked)


def test_a_refusal_names_the_limit_where_it_comes_from_and_what_to_do() -> None:
    limits = [Limit(subject=EVERYONE, jobs=1, cpus=4), Limit(subject=SURVEY, domain="gpu", jobs=3, gpus=2)]
    held = allowances(limits, MINE, [Load("gpu", gpus=2)])
    assert excess(held, Load("gpu", cpus=9, gpus=1)) == {
        "jobs": "everyone may have 1 unfinished jobs at once; you have 1, and this asks 1; "
        "wait for some to end, or cancel some",
        "cpus": "everyone may have 4 CPUs at once, and this asks 9; "
        "ask for less, or an administrator for more",
        "gpus in domain gpu": "members of group survey may have 2 GPUs in domain gpu at once; you have 2, "
        "and this asks 1; wait for some to end, or cancel some",
    }
    assert excess(allowances([Limit(subject=ME, jobs=0)], MINE, []), Load("batch"))["jobs"].startswith(
        "you may"
    )


def test_a_refusal_of_gpu_hours_tells_what_is_used_and_when_they_are_renewed() -> None:
    held = allowances([Limit(subject=SURVEY, gpu_hours=10)], MINE, [], Month({"gpu": 8.5}, MARCH))
    assert excess(held, Load("gpu", gpu_hours=1.5)) == {}
    assert excess(held, Load("gpu", gpu_hours=2)) == {
        "gpu_hours": "members of group survey may use 10 GPU hours in a month (UTC); 8.5 are used, or asked "
        "for by your jobs that are not over, and this may use 2; ask for less time, wait for jobs that end "
        "early or for 2026-03-01, when the month is new"
    }
    assert excess(held, Load("gpu", gpu_hours=10.5))["gpu_hours"].endswith(
        "and this may use 10.5; ask for less time or fewer GPUs, or an administrator for more"
    )


def test_a_job_counts_all_its_tasks_and_nodes() -> None:
    asked = Resources(cpus=4, tasks=3, nodes=2, gpus=1)
    assert load_of("gpu", asked, "0-99:2%10") == Load("gpu", 10, 120, 20, 100)
    assert load_of("gpu", asked, None) == Load("gpu", 1, 12, 2, 2)


@pytest.mark.parametrize(
    ("text", "number"), [("0-99%10", 10), ("0-3%10", 4), ("0-99", 100), ("1,1,2", 2), ("5", 1)]
)
def test_how_many_tasks_run_at_once(text: str, number: int) -> None:
    assert at_once(text) == number


@pytest.mark.parametrize("fields", [{}, {"jobs": -1}, {"domain": "a b", "jobs": 1}, {"memory": 1}])
def test_a_limit_that_limits_nothing_is_no_limit(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Limit.model_validate({"subject": EVERYONE} | fields)
