"""The project's own client against the real portal: both sides mean the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server

from sciserver_hpc.client import Client
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.states import JobState

from .house import House


@pytest.fixture
def client(house: House) -> Iterator[Client]:
    """Alice's, over HTTP on a loopback port."""
    server = make_server("127.0.0.1", 0, house.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with Client(f"http://127.0.0.1:{server.server_port}", token=house.token("alice")) as made:
        yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_may_be_used(client: Client) -> None:
    assert [domain.name for domain in client.domains()] == ["batch", "interactive"]
    assert [image.name for image in client.images()] == ["python", "r"]
    assert "sunspots" in [volume.volume for volume in client.volumes()]


def test_a_job_from_its_submission_to_its_files(house: House, client: Client) -> None:
    number = client.submit(JobRequest(kind="shell", command="hostname", name="first")).id
    house.write(number, "stdout.txt", b"node1\n")
    house.move(number, JobState.SUBMITTING)
    house.move(number, JobState.SUCCEEDED)
    assert client.job(number).final
    assert [entry.name for entry in client.files(number)] == ["stdout.txt"]
    assert client.script(number).script.startswith("#!/bin/bash")
    assert len(client.events(number)) == 3


def test_a_problem_comes_back_as_the_error_it_was(client: Client) -> None:
    with pytest.raises(Invalid) as caught:
        client.submit(JobRequest(kind="shell", command="x", image="nope"))
    assert "image" in caught.value.problems


def test_a_token_is_made_and_revoked(client: Client) -> None:
    secret, token = client.make_token("laptop", ["jobs:read"], 3)
    assert secret and token.id in [known.id for known in client.tokens()]
    client.revoke_token(token.id)
    assert token.id not in [known.id for known in client.tokens()]
