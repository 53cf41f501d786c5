"""Looking at jobs, cancelling them, and the questions of the broker and of a starting job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sciserver_hpc.domain.errors import Conflict, NotFound
from sciserver_hpc.domain.jobs import Dependency, EventKind, Job, JobEvent, JobRequest, Kind
from sciserver_hpc.domain.listing import Place, Sought
from sciserver_hpc.domain.scheduling import Submission
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.volumes import VolumeMount
from sciserver_hpc.services.changing import TRIES
from tests.fakes.jobs import change_job

from .world import ALICE, BATCH, BOB, SITE, World, shell


def put(world: World, job: Job, **fields: Any) -> Job:
    """The job as somebody else changed it meanwhile."""
    changed = change_job(world.store, job, job.model_copy(update=fields), ())
    assert changed is not None
    return changed


def submit(world: World, **fields: Any) -> Job:
    """A job of alice's, who has logged in."""
    world.store.remember_person(ALICE)
    return world.jobs.submit(ALICE, shell(**fields))[0]


def claim(world: World, job: Job, slurm_id: int = 1001, **more: Any) -> tuple[str, str]:
    return world.jobs.claim(job.uuid, world.renderer.claim_secret(job.uuid), slurm_id, **more)


def test_another_persons_job_is_as_unknown_as_none(world: World) -> None:
    job = submit(world)
    for question in (
        world.jobs.get,
        world.jobs.cancel,
        world.jobs.events,
        world.jobs.script,
        world.jobs.request,
    ):
        with pytest.raises(NotFound) as theirs:
            question(BOB, job.id)
        with pytest.raises(NotFound) as nobodys:
            question(BOB, 999)
        assert str(theirs.value).replace(str(job.id), "999") == str(nobodys.value)


def test_a_list_holds_ones_own_jobs_newest_first(world: World) -> None:
    first, second = submit(world, name="one"), submit(world, name="two")
    world.jobs.submit(BOB, shell())
    assert world.jobs.list(ALICE).jobs == [second, first]
    assert world.jobs.list(ALICE, place=Place(before_id=second.id)).jobs == [first]
    assert world.jobs.list(ALICE, Sought(name="wo", owner="bob")).jobs == [second]
    assert world.jobs.list(ALICE, Sought(states=(JobState.RUNNING,))).jobs == []
    assert world.jobs.list(ALICE, limit=-5).jobs == [second]


def test_an_accepted_job_is_cancelled_at_once(world: World) -> None:
    cancelled = world.jobs.cancel(ALICE, submit(world).id)
    assert (cancelled.state, cancelled.cancel_by) == (JobState.CANCELLED, "alice")
    assert cancelled.end is not None
    assert cancelled.end.summary == "Cancelled by alice."
    kinds = [event.kind for event in world.jobs.events(ALICE, cancelled.id)]
    assert kinds == [EventKind.STATE, EventKind.CANCEL, EventKind.STATE]
    assert world.waker.woken == 2


@pytest.mark.parametrize(
    "state", [JobState.SUBMITTING, JobState.PENDING, JobState.RUNNING, JobState.COMPLETING]
)
def test_a_job_that_may_be_in_slurm_is_left_to_the_broker(world: World, state: JobState) -> None:
    job = put(world, submit(world), state=state)
    asked = world.jobs.cancel(ALICE, job.id)
    assert (asked.state, asked.cancel_requested, asked.cancel_by) == (state, True, "alice")
    assert world.jobs.cancel(ALICE, job.id) == asked, "asking twice changes nothing"
    assert world.waker.woken == 2


@pytest.mark.parametrize("state", [state for state in JobState if state.final])
def test_a_job_that_is_over_stays_as_it_is(world: World, state: JobState) -> None:
    job = put(world, submit(world), state=state)
    assert world.jobs.cancel(ALICE, job.id) == job


@pytest.mark.parametrize("quicker", [1, TRIES - 1, TRIES])
def test_a_cancel_survives_changes_by_the_broker(
    world: World, monkeypatch: pytest.MonkeyPatch, quicker: int
) -> None:
    """Up to a point: a row that changed under every try is told as such."""
    job = submit(world)
    change = world.store.change_jobs
    meddled: list[Job | None] = []

    def meddling(changes: Sequence[tuple[Job, Job, Sequence[JobEvent]]]) -> list[Job | None]:
        if len(meddled) < quicker:
            old = changes[0][0]
            meddled.extend(change([(old, old.model_copy(update={"state": JobState.SUBMITTING}), ())]))
        return change(changes)

    monkeypatch.setattr(world.store, "change_jobs", meddling)
    if quicker == TRIES:
        with pytest.raises(Conflict):
            world.jobs.cancel(ALICE, job.id)
        return
    asked = world.jobs.cancel(ALICE, job.id)
    assert (asked.state, asked.cancel_requested) == (JobState.SUBMITTING, True)


def test_the_submission_carries_payload_and_claim_secret_out_of_sight(world: World) -> None:
    job = submit(world, command="echo hello")
    submission = world.submission(job, {})
    secret = world.renderer.claim_secret(job.uuid)
    files = {file.path: file for file in submission.files}
    assert files["command.txt"].text == "echo hello"
    assert secret in files[".sciserver/claim.header"].text
    assert files[".sciserver/claim.header"].mode == 0o600
    assert secret not in submission.script + "".join(submission.options)
    assert (submission.root, submission.folder) == (job.spec.results_root, job.spec.folder)


def test_what_people_see_of_the_script_has_no_secret(world: World) -> None:
    job = submit(world)
    shown = world.jobs.script(ALICE, job.id)
    assert shown.script == world.submission(job, {}).script
    assert world.renderer.claim_secret(job.uuid) not in str(shown)


def test_a_notebooks_parameters_are_a_file(world: World) -> None:
    text = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'
    request = JobRequest(kind=Kind.NOTEBOOK, notebook=text, parameters={"n": 3})
    job, _ = world.jobs.submit(ALICE, request)
    files = {file.path: file.text for file in world.submission(job, {}).files}
    assert files["notebook.ipynb"] == text
    assert '"n": 3' in files["parameters.txt"]


def test_a_script_keeps_its_name_and_may_be_executed(world: World) -> None:
    request = JobRequest(kind=Kind.SCRIPT, script="#!/bin/sh\necho", filename="fit.sh", arguments=("a b",))
    job, _ = world.jobs.submit(ALICE, request)
    [script] = [file for file in world.submission(job, {}).files if file.path == "fit.sh"]
    assert script.mode & 0o100


def test_only_dependencies_still_to_wait_for_reach_slurm(world: World) -> None:
    first, second = submit(world), submit(world)
    job = submit(world, dependencies=(Dependency(job=first.id), Dependency(job=second.id)))
    options = world.submission(job, {second.id: 4242}).options
    assert [option for option in options if option.startswith("--dependency")] == [
        "--dependency=afterok:4242"
    ]


def test_the_first_copy_of_a_job_runs_and_the_second_does_not(world: World) -> None:
    job = submit(world)
    assert claim(world, job, 1001) == ("run", "")
    assert claim(world, job, 1002) == ("duplicate", "another copy of this job has claimed the start")
    assert claim(world, job, 1001, restarts=1) == ("run", "")
    assert world.jobs.get(ALICE, job.id).claimed_by == 1001
    texts = [event.text for event in world.jobs.events(ALICE, job.id) if event.kind is EventKind.CLAIM]
    assert texts == ["Slurm job 1001 starts."]


@pytest.mark.parametrize("secret", ["", "wrong", "\ud800", "x" * 10_000])
def test_a_wrong_claim_secret_learns_nothing(world: World, secret: str) -> None:
    job = submit(world)
    assert world.jobs.claim(job.uuid, secret, 1001)[0] == "unknown"
    assert world.jobs.claim("0" * 32, secret, 1001)[0] == "unknown"
    assert world.jobs.get(ALICE, job.id) == job


def test_a_cancelled_job_does_not_start(world: World) -> None:
    job = put(world, submit(world), state=JobState.PENDING)
    world.jobs.cancel(ALICE, job.id)
    assert claim(world, job) == ("refused", "cancelled by alice")


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (JobState.FAILED, "refused"),
        (JobState.SUCCEEDED, "refused"),
        (JobState.REJECTED, "refused"),
        (JobState.NODE_FAIL, "run"),
        (JobState.PREEMPTED, "run"),
        (JobState.LOST, "run"),
    ],
)
def test_a_job_that_is_over_does_not_start_again_unless_slurm_requeues(
    world: World, state: JobState, verdict: str
) -> None:
    job = put(world, submit(world), state=state)
    assert claim(world, job)[0] == verdict


def _without(kind: str, name: str) -> dict[str, Any]:
    kept = [g for g in SITE.grants if (g.resource.kind, g.resource.name) != (kind, name)]
    return {"grants": tuple(kept)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (_without("domain", "batch"), "domain batch: you have no grant"),
        (_without("image", "python"), "image python: you have no grant"),
        (_without("user_volume", "Storage/bob/shared"), "volume Storage/bob/shared: you have no grant"),
        ({"domains": SITE.domains[:2]}, "domain batch: no longer offered"),
        ({"images": SITE.images[1:]}, "image python: no longer offered in domain batch"),
        (
            {"domains": (BATCH.model_copy(update={"images": ("r",)}),)},
            "image python: no longer offered in domain batch",
        ),
    ],
)
def test_what_was_withdrawn_meanwhile_stops_the_start(
    world: World, changes: dict[str, Any], words: str
) -> None:
    job = submit(world, volumes=(VolumeMount(volume="Storage/bob/shared"),))
    world.apply(**changes)
    verdict, reason = claim(world, job)
    assert verdict == "refused"
    assert reason.startswith(words)
    assert world.jobs.events(ALICE, job.id)[-1].text == f"Start refused: {reason}"


def test_a_defect_that_one_job_meets_leaves_the_others_alone(world: World) -> None:
    good, bad = submit(world), submit(world)
    broken = bad.model_copy(update={"spec": None})
    made = world.jobs.submissions([(broken, {}), (good, {})])
    assert "tell an administrator" in str(made[bad.uuid])
    assert isinstance(made[good.uuid], Submission)


def test_array_tasks_say_the_same_thing_once(world: World) -> None:
    job = submit(world, array="0-2")
    for task in range(3):
        assert claim(world, job, task=task) == ("run", "")
    put(world, world.jobs.get(ALICE, job.id), cancel_requested=True, cancel_by="alice")
    for task in range(3):
        assert claim(world, job, task=task)[0] == "refused"
    texts = [event.text for event in world.jobs.events(ALICE, job.id) if event.kind is EventKind.CLAIM]
    assert texts == ["Slurm job 1001, array task 0 starts.", "Start refused: cancelled by alice"]
