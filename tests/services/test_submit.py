"""What is accepted, what is refused, and in which words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from sciserver_hpc.domain.access import Action, Subject
from sciserver_hpc.domain.errors import Conflict, Invalid, Refused, Unavailable
from sciserver_hpc.domain.jobs import Dependency, EventKind, JobRequest, Kind
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.volumes import Mode, VolumeMount

from .world import ALICE, BOB, CAROL, SITE, World, grant, shell


def volumes(*texts: str) -> tuple[VolumeMount, ...]:
    return tuple(VolumeMount.parse(text) for text in texts)


def notebook(kernel: str | None = "python3", language: str | None = "python") -> str:
    spec = {key: value for key, value in (("name", kernel), ("language", language)) if value}
    metadata = {"kernelspec": spec} if spec else {}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": []})


def problems(world: World, request: JobRequest) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        world.jobs.submit(ALICE, request)
    return caught.value.problems


def refusals(world: World, request: JobRequest) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        world.jobs.submit(ALICE, request)
    return caught.value.items


def test_a_plain_request_takes_the_first_domain_image_and_defaults(world: World) -> None:
    job, made = world.jobs.submit(ALICE, shell(name="hello"))
    spec = job.spec
    assert made
    assert job.state is JobState.ACCEPTED
    assert (spec.domain, spec.partition, spec.account, spec.image) == ("batch", "batch", "science", "python")
    assert spec.resources == Resources(cpus=2, memory_mb=2048, time_limit_s=7200)
    assert (spec.uid, spec.gid, spec.owner) == (2001, 2001, "alice")
    assert spec.path == f"/shared/Temporary/alice/jobs/2026-01-15/20260115-120000-{job.id}"
    assert spec.target == f"/home/idies/workspace/Temporary/alice/jobs/{spec.folder}"
    assert [(m.volume, m.writable) for m in spec.mounts] == [("Temporary/alice/jobs", True)]
    assert world.jobs.get(ALICE, job.id) == job
    assert world.waker.woken == 1


def test_an_accepted_job_has_its_first_event(world: World) -> None:
    job, _ = world.jobs.submit(ALICE, shell())
    [event] = world.jobs.events(ALICE, job.id)
    assert (event.kind, event.state) == (EventKind.STATE, JobState.ACCEPTED)


def test_what_was_asked_is_kept_whole(world: World) -> None:
    request = shell(command="echo 'ü' \"$X\"\n# bidi \u202e", volumes=volumes("sdss"))
    job, _ = world.jobs.submit(ALICE, request)
    assert world.jobs.request(ALICE, job.id) == request


def test_the_results_volume_is_made_on_need_and_once(world: World) -> None:
    world.jobs.submit(ALICE, shell())
    assert "/shared/Temporary/alice/jobs" in world.agents.directories
    world.clock.advance(2)
    world.agents.fail(ALICE.uid, Unavailable("agent", "down"))
    world.jobs.submit(ALICE, shell())


def test_without_an_agent_a_missing_results_volume_is_a_passing_problem(world: World) -> None:
    world.agents.fail(ALICE.uid, Unavailable("agent", "down"))
    with pytest.raises(Unavailable):
        world.jobs.submit(ALICE, shell())
    assert world.jobs.list(ALICE).jobs == []


def test_a_volume_that_cannot_be_made_is_told(world: World) -> None:
    world.agents.deny("/shared/Temporary/alice")
    items = refusals(world, shell())
    assert "cannot be made" in items["volume Temporary/alice/jobs"]


def test_chosen_results_and_volumes_are_mounted(world: World) -> None:
    results = VolumeMount(volume="Storage/alice/persistent")
    job, _ = world.jobs.submit(ALICE, shell(results=results, volumes=volumes("sdss", "Storage/bob/shared")))
    mounts = {mount.target: (mount.source, mount.writable) for mount in job.spec.mounts}
    assert mounts == {
        "/home/idies/workspace/sdss": ("/data/sdss", False),
        "/home/idies/workspace/Storage/bob/shared": ("/shared/Storage/bob/shared", False),
        "/home/idies/workspace/Storage/alice/persistent": ("/shared/Storage/alice/persistent", True),
    }
    assert job.spec.results_root == "/shared/Storage/alice/persistent"


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"domain": "bacth"}, "domain", "unknown domain `bacth`; you may use: batch"),
        ({"domain": "quick"}, "domain", "domain quick runs sessions only, no jobs; you may use: batch"),
        ({"image": "pyton"}, "image", "unknown image `pyton`; you may use in domain batch: python, r, plain"),
        ({"volumes": volumes("sdsss")}, "volumes.0", "unknown data volume `sdsss`; you may use: sdss"),
        ({"volumes": volumes("far")}, "volumes.0", "data volume far cannot be mounted in domain batch"),
        (
            {"volumes": volumes("Nowhere/alice/x")},
            "volumes.0",
            "unknown root volume `Nowhere`; you may use: Storage, Temporary",
        ),
        (
            {"volumes": volumes("Elsewhere/alice/persistent")},
            "volumes.0",
            "volumes of Elsewhere cannot be mounted in domain batch; you may use: Storage, Temporary",
        ),
        (
            {"volumes": volumes("sdss", "sdss")},
            "volumes.1",
            "sdss is listed twice; name it once, with the mode you need",
        ),
        (
            {"volumes": volumes("Temporary/alice/jobs:ro")},
            "volumes.0",
            "Temporary/alice/jobs receives the results, so it is mounted for writing; ask for it as rw "
            "or leave it out",
        ),
        (
            {"resources": Resources(time_limit_s=9 * 3600)},
            "resources.time_limit_s",
            "asks 9 h; at most 8 h in domain batch",
        ),
        (
            {"resources": Resources(memory_mb=5000)},
            "resources.memory_mb",
            "asks 5000 MB of memory; at most 4096 in domain batch",
        ),
        (
            {"resources": Resources(cpus=4, tasks=3)},
            "resources.cpus",
            "asks 12 CPUs; at most 8 in domain batch",
        ),
        ({"resources": Resources(gpus=1)}, "resources.gpus", "asks 1 GPUs; at most 0 in domain batch"),
        (
            {"results": VolumeMount(volume="sdss")},
            "results",
            "results go to a user volume, as in `Temporary/<you>/jobs`",
        ),
        ({"dependencies": (Dependency(job=77),)}, "dependencies.0", "you have no job 77"),
        ({"stdout": "command.txt"}, "stdout", "command.txt is taken in the job folder; choose another name"),
        (
            {"stderr": "provenance.json"},
            "stderr",
            "provenance.json is taken in the job folder; choose another name",
        ),
        (
            {"workdir": "/etc"},
            "workdir",
            "must be in a mounted volume, as in /home/idies/workspace/<Root>/<you>/<volume>/code",
        ),
    ],
)
def test_a_wrong_field_gets_a_sentence(world: World, fields: dict[str, Any], place: str, words: str) -> None:
    assert problems(world, shell(**fields)) == {place: words}
    assert world.jobs.list(ALICE).jobs == []


@pytest.mark.parametrize(
    "path",
    [
        "/home/idies/workspace/Temporary/alice/jobs/../../bob",
        "/home/idies/workspace/Temporary/alice/jobs/",
        "/home/idies/workspace/Temporary/alice/jobsx",
        "/home/idies/workspace/Temporary/alice/jobs/a\nb",
        "code",
        "",
    ],
)
def test_a_working_directory_stays_in_its_volume(world: World, path: str) -> None:
    assert set(problems(world, shell(workdir=path))) == {"workdir"}


def test_a_working_directory_may_lie_deep_in_a_volume(world: World) -> None:
    path = "/home/idies/workspace/Storage/bob/shared/code/run"
    job, _ = world.jobs.submit(ALICE, shell(workdir=path, volumes=volumes("Storage/bob/shared")))
    assert job.spec.workdir == path


def test_an_own_volume_that_is_not_there_is_told_with_those_that_are(world: World) -> None:
    [(place, words)] = problems(world, shell(volumes=volumes("Storage/alice/nope"))).items()
    assert place == "volumes.0"
    assert words.startswith("there is no volume Storage/alice/nope; you may use: ")
    assert "Storage/alice/persistent" in words
    assert "bob" not in words


@pytest.mark.parametrize(
    ("fields", "item"),
    [
        ({"domain": "closed"}, "domain closed"),
        ({"image": "hidden"}, "image hidden"),
        ({"volumes": volumes("secret")}, "volume secret:ro"),
        ({"volumes": volumes("sdss:rw")}, "volume sdss:rw"),
        ({"volumes": volumes("Storage/bob/private")}, "volume Storage/bob/private:ro"),
        ({"volumes": volumes("Storage/bob/shared:rw")}, "volume Storage/bob/shared:rw"),
        ({"results": VolumeMount(volume="Storage/bob/shared")}, "volume Storage/bob/shared:rw"),
    ],
)
def test_what_is_not_granted_is_refused(world: World, fields: dict[str, Any], item: str) -> None:
    assert list(refusals(world, shell(**fields))) == [item]
    assert world.jobs.list(ALICE).jobs == []


def test_whether_another_persons_volume_exists_does_not_show(world: World) -> None:
    there = refusals(world, shell(volumes=volumes("Storage/bob/private")))
    absent = refusals(world, shell(volumes=volumes("Storage/bob/absent")))
    assert list(there.values()) == list(absent.values())


def test_a_granted_volume_that_is_gone_is_told(world: World) -> None:
    assert "there is no volume" in problems(world, shell(volumes=volumes("Storage/bob/gone")))["volumes.0"]


def test_every_failing_item_is_in_one_answer(world: World) -> None:
    items = refusals(
        world, shell(image="hidden", volumes=volumes("secret", "Storage/bob/private:rw", "sdss:rw"))
    )
    assert list(items) == [
        "image hidden",
        "volume secret:ro",
        "volume Storage/bob/private:rw",
        "volume sdss:rw",
    ]


def test_wrong_and_refused_items_stand_together(world: World) -> None:
    request = shell(image="pyton", volumes=volumes("secret"), resources=Resources(cpus=99))
    found = problems(world, request)
    assert set(found) == {"image", "volumes.0", "resources.cpus"}
    assert found["volumes.0"].startswith("volume secret:ro: you have no grant")


def test_a_grant_to_a_group_counts_and_one_that_expired_does_not(world: World) -> None:
    asked = shell(volumes=volumes("Storage/bob/shared"))
    world.jobs.submit(ALICE, asked)
    with pytest.raises(Refused):
        world.jobs.submit(CAROL, asked)
    over = grant(Action.USE, "image", "hidden", Subject(kind="user", name="alice"), expires=world.clock.now())
    world.apply(grants=(*SITE.grants, over))
    assert "expired" in refusals(world, shell(image="hidden"))["image hidden"]


def test_nobody_without_a_domain_gets_anywhere(world: World) -> None:
    world.apply(grants=())
    assert "ask an administrator" in problems(world, shell())["domain"]


def test_a_domain_without_usable_images_says_so(world: World) -> None:
    world.apply(grants=(grant(Action.USE, "domain", "batch"),))
    assert "no image is given" in problems(world, shell())["image"]


def test_an_image_whose_file_changed_is_refused(world: World) -> None:
    world.image_problem = "its file changed since it was catalogued; tell an administrator"
    assert refusals(world, shell()) == {"image python": world.image_problem}


@pytest.mark.parametrize(
    ("text", "image", "kernel"),
    [
        (notebook(), None, "python3"),
        (notebook("my-env", "python"), None, "python3"),
        (notebook(None, None), None, "python3"),
        (notebook("ir", "R"), "r", "ir"),
        (notebook("xr", "R"), "r", "ir"),
    ],
)
def test_a_notebook_gets_a_kernel_of_its_language(
    world: World, text: str, image: str | None, kernel: str
) -> None:
    request = JobRequest(kind=Kind.NOTEBOOK, notebook=text, image=image, filename="cycle.ipynb")
    job, _ = world.jobs.submit(ALICE, request)
    assert (job.spec.kernel, job.spec.filename) == (kernel, "cycle.ipynb")


@pytest.mark.parametrize(
    ("text", "image", "words"),
    [
        (notebook("ir", "R"), "python", "image python offers python3, but the notebook wants kernel `ir`; "),
        (notebook(), "plain", "image plain runs no notebooks, but the notebook wants kernel `python3`; "),
        (notebook(None, None), "plain", "image plain runs no notebooks, but this is a notebook; "),
    ],
)
def test_a_notebook_no_kernel_of_the_image_fits_is_told(
    world: World, text: str, image: str, words: str
) -> None:
    request = JobRequest(kind=Kind.NOTEBOOK, notebook=text, image=image)
    assert problems(world, request) == {"image": f"{words}choose another image"}


def test_numbers_json_lacks_are_no_parameters(world: World) -> None:
    request = JobRequest(kind=Kind.NOTEBOOK, notebook=notebook(), parameters={"x": float("nan")})
    assert set(problems(world, request)) == {"parameters"}


def test_somebody_elses_job_is_no_dependency(world: World) -> None:
    theirs, _ = world.jobs.submit(BOB, shell())
    request = shell(dependencies=(Dependency(job=theirs.id),))
    assert problems(world, request) == {"dependencies.0": f"you have no job {theirs.id}"}


def test_the_same_key_and_request_make_one_job(world: World) -> None:
    job, made = world.jobs.submit(ALICE, shell(), "k1")
    again, made_again = world.jobs.submit(ALICE, shell(), "k1")
    assert (made, made_again) == (True, False)
    assert again == job
    assert world.waker.woken == 1


def test_a_replayed_request_is_answered_though_it_would_be_refused_now(world: World) -> None:
    job, _ = world.jobs.submit(ALICE, shell(), "k1")
    world.apply(grants=())
    assert world.jobs.submit(ALICE, shell(), "k1") == (job, False)


def test_the_order_of_parameters_makes_no_other_request(world: World) -> None:
    def request(parameters: dict[str, int]) -> JobRequest:
        return JobRequest(kind=Kind.NOTEBOOK, notebook=notebook(), parameters=parameters)

    job, _ = world.jobs.submit(ALICE, request({"a": 1, "b": 2}), "k1")
    assert world.jobs.submit(ALICE, request({"b": 2, "a": 1}), "k1") == (job, False)


def test_a_key_for_another_request_is_a_conflict(world: World) -> None:
    job, _ = world.jobs.submit(ALICE, shell(), "k1")
    with pytest.raises(Conflict, match=f"used for job {job.id}"):
        world.jobs.submit(ALICE, shell(command="echo other"), "k1")


def test_keys_are_each_persons_own(world: World) -> None:
    first, _ = world.jobs.submit(ALICE, shell(), "k1")
    second, made = world.jobs.submit(BOB, shell(), "k1")
    assert made
    assert second.id != first.id


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "a\0"])
def test_a_key_is_short_and_printable(world: World, key: str) -> None:
    with pytest.raises(Invalid) as caught:
        world.jobs.submit(ALICE, shell(), key)
    assert set(caught.value.problems) == {"key"}


def test_nobody_may_have_more_unfinished_jobs_than_the_site_allows(world: World) -> None:
    jobs = world.make_jobs(max_active=2)
    first, _ = jobs.submit(ALICE, shell())
    jobs.submit(ALICE, shell())
    with pytest.raises(Refused, match="2 unfinished jobs"):
        jobs.submit(ALICE, shell())
    jobs.submit(BOB, shell())
    jobs.cancel(ALICE, first.id)
    jobs.submit(ALICE, shell())


def test_a_preview_makes_nothing(world: World) -> None:
    would = world.jobs.preview(ALICE, shell(name="look"))
    assert "--partition=batch" in would.options
    assert world.jobs.list(ALICE).jobs == []
    assert "/shared/Temporary/alice/jobs" not in world.agents.directories
    assert would.spec.image == "python"


def test_test_only_tells_what_the_scheduler_says(world: World) -> None:
    assert world.jobs.test_only(ALICE, shell()) != ""
    with pytest.raises(Invalid):
        world.jobs.test_only(ALICE, shell(image="pyton"))


def test_results_may_be_asked_for_in_the_default_volume_by_name(world: World) -> None:
    asked = VolumeMount(volume="Temporary/alice/jobs", mode=Mode.READ_WRITE)
    job, _ = world.jobs.submit(ALICE, shell(results=asked, volumes=(asked,)))
    assert [mount.volume for mount in job.spec.mounts] == ["Temporary/alice/jobs"]


@pytest.mark.parametrize(
    "name",
    [
        "it's",
        'a "b"',
        "$(touch /tmp/x)",
        "`id`",
        "a;b|c&d",
        "--uid=0",
        "../../etc",
        "ü→名",
        "%j",
        "a,b=c",
        "x" * 128,
    ],
)
def test_any_printable_name_is_kept_and_reaches_slurm_harmlessly(world: World, name: str) -> None:
    job, _ = world.jobs.submit(ALICE, shell(name=name))
    assert world.jobs.get(ALICE, job.id).name == name
    [option] = [o for o in world.submission(job, {}).options if o.startswith("--job-name=")]
    safe, _, uuid = option.removeprefix("--job-name=").rpartition(".")
    assert uuid == job.uuid
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", safe)
    assert name not in job.spec.path


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "a\u202eb", "a\u200bb", "x" * 10_000, "a\x1bb"])
def test_a_name_that_could_mislead_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError):
        shell(name=name)
