"""The client against the portal itself, over the real services: what the fake portal must not drift from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.domain.errors import (
    BadCredentials,
    Conflict,
    Invalid,
    NotFound,
    Refused,
    SciServerError,
)
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.views import JobView
from tests.fakes.portal import listening
from tests.portal.house import PASSWORD, House

NOTEBOOK = json.dumps({"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {}})


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def url(house: House) -> Iterator[str]:
    with listening(house.app) as address:
        yield address


@pytest.fixture
def alice(url: str) -> Iterator[Client]:
    with Client.login(url, "alice", PASSWORD) as client:
        yield client


def test_who_and_what_there_is(alice: Client) -> None:
    assert alice.me().groups == ("astro",)
    assert [(d.name, [i.name for i in d.images]) for d in alice.domains()] == [
        ("batch", ["python", "r"]),
        ("interactive", ["python", "r"]),
    ]
    assert {image.name for image in alice.images()} == {"python", "r"}
    assert "sunspots" in {volume.volume for volume in alice.volumes()}


def test_a_job_from_its_submission_to_its_results(house: House, alice: Client, home: Path) -> None:
    job = alice.submit_shell("hostname", name="first", resources={"cpus": 2}, key="k")
    assert alice.submit_shell("hostname", name="first", resources={"cpus": 2}, key="k").id == job.id
    with pytest.raises(Conflict):
        alice.submit_shell("other", key="k")
    house.move(job.id, JobState.PENDING, slurm_id=7)
    house.move(job.id, JobState.RUNNING)
    house.write(job.id, "stdout.txt", b"n1\n")
    house.write(job.id, "plots/a.png", b"\x89PNG")
    house.move(job.id, JobState.SUCCEEDED)
    assert alice.wait(job.id).state is JobState.SUCCEEDED
    assert "".join(alice.follow(job.id)) == "n1\n"
    assert len(alice.results(job.id, home / "got").saved) == 2
    assert (home / "got" / "plots" / "a.png").read_bytes() == b"\x89PNG"
    assert [found.name for found in alice.jobs(states=["SUCCEEDED"], domain="batch")] == ["first"]
    assert alice.events(job.id)[-1].state is JobState.SUCCEEDED
    assert "hostname" not in alice.script(job.id).options


def test_many_jobs_of_which_two_are_wrong(house: House, alice: Client) -> None:
    asked = [alice.request(kind="shell", command=f"fit {n}", name=f"fit{n}") for n in range(120)]
    asked[3] = alice.request(kind="shell", command="fit", image="none")
    asked[4] = alice.request(kind="notebook", notebook=NOTEBOOK, parameters={"x": float("nan")})
    made = alice.submit_many(asked, key="sweep")
    assert [n for n, one in enumerate(made) if not isinstance(one, JobView)] == [3, 4]
    assert isinstance(made[3], Invalid) and set(made[3].problems) == {"image"}
    assert isinstance(made[4], Invalid) and set(made[4].problems) == {"parameters"}
    again = alice.submit_many(asked, key="sweep")
    assert again[:3] == made[:3] and again[5:] == made[5:]
    assert len(house.store.jobs(limit=500).jobs) == 118


def test_what_would_be_submitted(alice: Client) -> None:
    request = alice.request(kind="notebook", notebook=NOTEBOOK, parameters={"n": 1})
    assert alice.preview(request).domain == "batch"
    assert "to start" in alice.test_only(request)
    assert list(alice.jobs()) == []


def test_errors_are_the_houses_own(url: str, alice: Client) -> None:
    with pytest.raises(Invalid) as invalid:
        alice.submit_shell("true", image="none", resources={"cpus": 99})
    assert set(invalid.value.problems) == {"image", "resources.cpus"}
    with pytest.raises(Refused):
        alice.submit_shell("true", image="secret")
    with pytest.raises(NotFound):
        alice.job(99)
    with pytest.raises(BadCredentials):
        Client.login(url, "alice", "guess")
    with Client(url, "no token") as nobody, pytest.raises(BadCredentials):
        nobody.me()


def test_cancel_tokens_and_logout(url: str, alice: Client) -> None:
    job = alice.submit_shell("true")
    assert alice.cancel(job.id).cancel_requested or alice.job(job.id).final
    secret, token = alice.make_token("reader", ["jobs:read"], days=1)
    with Client(url, secret) as reader:
        assert reader.job(job.id).id == job.id
        with pytest.raises(SciServerError):
            reader.submit_shell("true")
    assert {row.id for row in alice.tokens()} >= {token.id}
    alice.revoke_token(token.id)
    alice.logout()
    with pytest.raises(BadCredentials):
        alice.me()
