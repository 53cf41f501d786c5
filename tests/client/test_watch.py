"""Waiting for a job while the portal comes and goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sciserver_hpc.client.watch import PATIENCE, Pace, until_final
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.explain import explain
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.views import JobView, view
from tests.fakes.jobs import NOON, make_job

AWAY = Unavailable("the portal", "no connection")


def seen(state: JobState) -> JobView:
    job = make_job(state=state)
    return view(job, explain(job, NOON))


def looks(*answers: JobView | Unavailable) -> Callable[[], JobView]:
    """A look that answers these, one after another."""
    left = list(answers)

    def look() -> JobView:
        answer = left.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    return look


def pace() -> Pace:
    return Pace(5, lambda _seconds: None)


def test_only_failures_in_a_row_end_the_wait() -> None:
    running, over = seen(JobState.RUNNING), seen(JobState.SUCCEEDED)
    look = looks(*[AWAY, running] * (2 * PATIENCE), over)
    assert until_final(look, pace(), None) == over


def test_a_portal_that_stays_away_ends_the_wait() -> None:
    with pytest.raises(Unavailable):
        until_final(looks(*[AWAY] * (PATIENCE + 1)), pace(), None)
