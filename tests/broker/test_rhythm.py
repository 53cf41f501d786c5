"""When the broker looks: steadily, sooner where there is news, never much more often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.broker.rhythm import EXTRA, Rhythm

EVERY = timedelta(seconds=5)
MINUTE = timedelta(minutes=1)
BEGIN = datetime(2026, 1, 15, 12, tzinfo=UTC)


def looks(news: Sequence[bool], step: timedelta) -> list[datetime]:
    """The looks that a broker takes which turns each `step`, with or without news each time it listens."""
    rhythm, taken = Rhythm(EVERY), []
    for number, is_news in enumerate(news):
        now = BEGIN + number * step
        if rhythm.look_due(now) or (rhythm.listen_due(now) and is_news and rhythm.hurry(now)):
            taken.append(now)
    return taken


def most_in_a_minute(taken: Sequence[datetime]) -> int:
    return max(sum(1 for other in taken if at <= other < at + MINUTE) for at in taken)


def test_without_news_it_keeps_its_pace() -> None:
    taken = looks([False] * 600, timedelta(seconds=0.5))
    assert {later - earlier for earlier, later in pairwise(taken)} == {EVERY}


def test_news_brings_the_next_look_forward() -> None:
    taken = looks([True] * 6, timedelta(seconds=0.5))
    assert taken == [BEGIN, BEGIN + EVERY / 2]


@given(st.lists(st.booleans(), min_size=1, max_size=700), st.sampled_from([0.1, 0.5, 1.3, 2.5]))
def test_no_minute_holds_many_more_looks_whatever_the_news(news: list[bool], step_s: float) -> None:
    assert most_in_a_minute(looks(news, timedelta(seconds=step_s))) <= MINUTE // EVERY + EXTRA + 1


def test_lasting_news_does_not_use_the_budget_up_for_ever() -> None:
    """After a quiet while an early look is to be had again."""
    rhythm = Rhythm(EVERY)
    now = BEGIN
    while rhythm.look_due(now) or rhythm.hurry(now):
        now += EVERY / 2
    for _ in range(20):
        now += EVERY
        rhythm.look_due(now)
    assert rhythm.hurry(now + EVERY / 2)


@given(st.floats(0, 20))
def test_the_pause_ends_when_something_is_due(after_s: float) -> None:
    rhythm = Rhythm(EVERY)
    assert rhythm.pause(BEGIN) == timedelta(0)
    assert rhythm.look_due(BEGIN)
    now = BEGIN + timedelta(seconds=after_s)
    pause = rhythm.pause(now)
    assert timedelta(0) <= pause <= EVERY / 2
    then = now + pause
    assert rhythm.look_due(then) or rhythm.listen_due(then)
