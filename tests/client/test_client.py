"""The SDK against a portal behind real HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.client import Client, Me, credentials
from sciserver_hpc.client.models import read
from sciserver_hpc.domain.errors import (
    AgentError,
    BadCredentials,
    Conflict,
    Invalid,
    LockedOut,
    NotFound,
    Refused,
    SciServerError,
    Unavailable,
)
from sciserver_hpc.domain.jobs import JobRequest, Kind
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.views import JobView
from tests.fakes.portal import DOMAINS, PASSWORD, FakePortal

SHELL = JobRequest(kind=Kind.SHELL, command="true")
NOTEBOOK = '{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'


def test_a_login_is_kept_for_the_next_client_and_ends_with_logout(portal: FakePortal) -> None:
    with Client.login(portal.url, "alice", PASSWORD) as client:
        file = client.keep()
    assert file.stat().st_mode & 0o777 == 0o600
    with Client() as client:
        assert client.me().username == "alice"
        client.logout()
    assert not file.exists()
    with pytest.raises(BadCredentials, match="sciserver login"):
        Client()


def test_logging_out_forgets_a_token_that_is_over(portal: FakePortal) -> None:
    with Client.login(portal.url, "alice", PASSWORD) as client:
        file = client.keep()
        portal.trouble = [(401, "unauthorized")]
        client.logout()
    assert not file.exists()


def test_a_wrong_password_is_not_tried_again(portal: FakePortal) -> None:
    with pytest.raises(BadCredentials, match="wrong"):
        Client.login(portal.url, "alice", "guess")
    with pytest.raises(LockedOut) as locked:
        Client.login(portal.url, "alice", "too often")
    assert locked.value.wait_s == 300
    assert portal.calls == ["POST /api/v1/login"] * 2


def test_a_token_is_sent_only_to_the_portal_it_came_from(portal: FakePortal, monkeypatch) -> None:
    with Client.login(portal.url, "alice", PASSWORD) as client:
        client.keep()
    monkeypatch.setenv("SCISERVER_URL", "http://127.0.0.1:9")
    assert credentials.find().token is None


def test_a_password_of_netrc_is_never_sent(portal: FakePortal, monkeypatch, home: Path) -> None:
    netrc = home / "netrc"
    netrc.write_text("machine 127.0.0.1 login alice password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Client(portal.url) as client, pytest.raises(BadCredentials):
        client.me()


def test_fields_a_newer_portal_adds_are_passed_over(client: Client) -> None:
    assert [domain.name for domain in client.domains()] == [str(row["name"]) for row in DOMAINS]
    assert client.submit(SHELL).id == 11


def test_an_answer_that_is_not_understood_is_told() -> None:
    with pytest.raises(SciServerError, match="up to date"):
        read(Me, {"username": 5})


@pytest.mark.parametrize("trouble", [["lost"], [503], ["lost", 502, 504]])
def test_a_lost_answer_makes_no_second_job(portal: FakePortal, client: Client, trouble: list) -> None:
    portal.trouble = trouble
    assert client.submit(SHELL).id == 11
    assert len(portal.jobs) == 1


def test_a_portal_that_stays_away_is_told_with_the_key_to_try_again(
    portal: FakePortal, client: Client
) -> None:
    portal.trouble = [503] * 9
    with pytest.raises(Unavailable, match=r"database does not answer.*key mine"):
        client.submit(SHELL, key="mine")
    assert len(portal.waited) == 4


def test_nobody_listening_is_unavailable(portal: FakePortal) -> None:
    with (
        Client("http://127.0.0.1:9", "t", sleep=portal.time_passes) as client,
        pytest.raises(Unavailable, match="no connection"),
    ):
        client.me()


def test_errors_are_the_houses_own(client: Client) -> None:
    with pytest.raises(Invalid) as invalid:
        client.submit_shell("true", image="nobody")
    assert invalid.value.problems == {"image": "unknown image `nobody`; there is python."}
    with pytest.raises(Refused) as refused:
        client.submit_shell("true", image="secret")
    assert refused.value.items == {"image secret": "you have no grant to use it."}
    with pytest.raises(NotFound):
        client.job(99)


def test_many_go_in_calls_of_a_hundred_and_come_back_in_order(portal: FakePortal, client: Client) -> None:
    requests = [client.request(kind="shell", command="true", name=f"n{number}") for number in range(230)]
    jobs = client.submit_many(requests)
    assert [job.name for job in jobs if isinstance(job, JobView)] == [f"n{number}" for number in range(230)]
    assert portal.batches == [100, 100, 30]


def test_many_large_ones_go_in_calls_that_the_portal_takes(portal: FakePortal, client: Client) -> None:
    large = client.request(kind="shell", command="x" * 1_000_000)
    assert len(client.submit_many([large] * 9)) == 9
    assert portal.batches == [7, 2]


def test_of_many_each_has_its_own_error(client: Client) -> None:
    images = ("python", "nobody", "secret", "python")
    requests = [client.request(kind="shell", command="true", image=image) for image in images]
    first, invalid, refused, last = client.submit_many(requests)
    assert isinstance(first, JobView) and isinstance(last, JobView)
    assert isinstance(invalid, Invalid) and set(invalid.problems) == {"image"}
    assert isinstance(refused, Refused) and set(refused.items) == {"image secret"}
    assert client.submit_many([]) == []


@pytest.mark.parametrize("trouble", [["lost"], [503], ["lost", 502, 504]])
def test_a_lost_answer_makes_none_of_many_twice(portal: FakePortal, client: Client, trouble: list) -> None:
    portal.trouble = trouble
    assert [job.id for job in client.submit_many([SHELL] * 3) if isinstance(job, JobView)] == [11, 12, 13]
    assert len(portal.jobs) == 3


def test_many_that_broke_off_go_on_with_their_key(portal: FakePortal, client: Client) -> None:
    def broken() -> Iterator[JobRequest]:
        yield from [SHELL] * 101
        portal.trouble = [503] * 5
        yield from [SHELL] * 49

    with pytest.raises(Unavailable, match=r"same again with key mine"):
        client.submit_many(broken(), key="mine")
    assert len(portal.jobs) == 100
    jobs = client.submit_many([SHELL] * 150, key="mine")
    assert len({job.id for job in jobs if isinstance(job, JobView)}) == len(portal.jobs) == 150


def test_many_that_cannot_be_sent_are_told_each(portal: FakePortal, client: Client) -> None:
    portal.trouble = [(413, "too_large")]
    assert [type(one) for one in client.submit_many([SHELL] * 2)] == [Invalid, Invalid]


def test_an_impossible_request_is_found_before_it_is_sent(portal: FakePortal, client: Client) -> None:
    with pytest.raises(Invalid, match="a shell job needs `command`"):
        client.submit(kind="shell")
    assert portal.requests == []


def test_resources_not_named_are_the_domains_defaults(portal: FakePortal, client: Client) -> None:
    client.submit_shell("true", resources={"cpus": 4})
    assert portal.requests[0].resources == Resources(cpus=4, memory_mb=2048, time_limit_s=7200)
    client.submit_shell("true")
    assert portal.requests[1].resources is None


def test_a_scripts_header_lines_count_where_nothing_else_is_said(
    portal: FakePortal, client: Client, home: Path
) -> None:
    script = home / "my job.sh"
    script.write_text("#!/bin/bash\n#SBATCH -t 10 -J fit -p interactive\ntrue\n")
    client.submit_script(script, "--seed", "1", name="other")
    asked = portal.requests[0]
    assert (asked.name, asked.domain, asked.filename) == ("other", "quick", "my job.sh")
    assert asked.resources is not None and asked.resources.time_limit_s == 600
    assert asked.arguments == ("--seed", "1")


def test_a_notebook_takes_parameters(portal: FakePortal, client: Client, home: Path) -> None:
    (home / "fit.ipynb").write_text(NOTEBOOK)
    client.submit_notebook(home / "fit.ipynb", {"period": 11})
    assert portal.requests[0].parameters == {"period": 11}
    with pytest.raises(Invalid, match="cannot be read"):
        client.submit_notebook(home / "none.ipynb")


def test_jobs_come_page_by_page(portal: FakePortal, client: Client) -> None:
    portal.pages = 2
    for number in range(5):
        client.submit_shell("true", name=f"n{number}")
    assert [job.name for job in client.jobs(states=["ACCEPTED"])] == ["n4", "n3", "n2", "n1", "n0"]
    assert [job.name for job in client.jobs(name="n3")] == ["n3"]


def test_waiting_survives_a_portals_restart(portal: FakePortal, client: Client) -> None:
    job = client.submit(SHELL)
    portal.trouble = [503] * 12
    portal.next = [lambda: None] * 12 + [lambda: portal.ends(job.id, JobState.FAILED, exit_code=3)]
    ended = client.wait(job.id)
    assert ended.end is not None and ended.end.exit_code == 3


def test_waiting_ends_at_its_time(client: Client) -> None:
    job = client.submit(SHELL)
    with pytest.raises(TimeoutError, match="it goes on"):
        client.wait(job.id, timeout=0)


def test_a_log_is_followed_to_its_end(portal: FakePortal, client: Client) -> None:
    job = client.submit(SHELL)
    portal.logs["stdout"] = b"first line\n"

    def finish() -> None:
        portal.logs["stdout"] += b"last line\n"
        portal.ends(job.id, JobState.SUCCEEDED, exit_code=0)

    portal.next = [lambda: portal.trouble.append(503), lambda: None, finish]
    assert "".join(client.follow(job.id)) == "first line\nlast line\n"


def test_an_arrays_task_has_a_log_of_its_own(portal: FakePortal, client: Client) -> None:
    job = client.submit(SHELL, array="0-3")
    portal.ends(job.id, JobState.SUCCEEDED)
    portal.logs["stderr.3"] = b"three\n"
    assert client.log(job.id, "stderr", task=3, length=100).text == "three\n"
    assert "".join(client.follow(job.id, "stderr", task=3)) == "three\n"


def test_cancelling(portal: FakePortal, client: Client) -> None:
    job = client.submit(SHELL)
    assert client.cancel(job.id).cancel_requested
    portal.ends(job.id, JobState.CANCELLED)
    assert client.cancel(job.id).state is JobState.CANCELLED


@pytest.mark.parametrize(
    ("code", "kind"), [("conflict", Conflict), ("agent", AgentError), ("new", SciServerError)]
)
def test_other_errors(portal: FakePortal, client: Client, code: str, kind: type[Exception]) -> None:
    portal.trouble = [(418, code)]
    with pytest.raises(kind, match="It cannot be done"):
        client.me()


def test_tokens(client: Client) -> None:
    secret, token = client.make_token("nightly", ["jobs:read"], days=30)
    assert (secret, token.id) == ("s3cret", 7)
    assert [row.name for row in client.tokens()] == ["nightly"]
    client.revoke_token(token.id)


def test_preview_and_test_only_submit_nothing(portal: FakePortal, client: Client) -> None:
    assert "--time=120" in client.preview(SHELL).options
    assert "to start" in client.test_only(SHELL)
    assert portal.jobs == {}


def test_a_token_never_reaches_a_log_or_a_repr(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client.me()
    assert "t0ken" not in caplog.text + repr(client.credentials)
