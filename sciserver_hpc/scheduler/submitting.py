"""Submitting through an owner's agent, with every failure told as an outcome per job."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..domain.errors import Refused, SciServerError, Unavailable
from ..domain.scheduling import Owner, Submission, SubmitOutcome, Verdict
from ..ports import Agent, Agents

Submit = Callable[[Agent], list[SubmitOutcome]]


def submit_as(
    agents: Agents, owner: Owner, jobs: Sequence[Submission], submit: Submit
) -> list[SubmitOutcome]:
    """One outcome per job, in order.

    Without an agent nothing was tried; once it was asked, a lost answer leaves each job in doubt.
    """
    try:
        agent = agents.of(owner)
    except Refused as error:
        return _all(jobs, Verdict.REJECTED, error)
    except Unavailable as error:
        return _all(jobs, Verdict.NOT_TRIED, error)
    try:
        return submit(agent)
    except SciServerError as error:
        return _all(jobs, Verdict.UNKNOWN, error)


def _all(jobs: Sequence[Submission], verdict: Verdict, error: SciServerError) -> list[SubmitOutcome]:
    return [SubmitOutcome(uuid=job.uuid, verdict=verdict, message=str(error)) for job in jobs]
