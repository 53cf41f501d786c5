"""`sciserver notifications`, against a portal behind real HTTP."""

from __future__ import annotations

import json

from sciserver_hpc.cli.main import sciserver
from sciserver_hpc.client import Client
from tests.fakes.portal import FakePortal

from .test_verbs import run


def test_what_is_chosen_is_shown(portal: FakePortal, client: Client) -> None:
    out = run(sciserver, client, "notifications", "show").stdout
    assert "mail     time_left, failed" in out and "webhook  none" in out
    assert "tried 2 times: 451 later" in out and "\x1b" not in out
    told = json.loads(run(sciserver, client, "notifications", "show", "--json").stdout)
    assert told["mail"] == ["time_left", "failed"]


def test_what_is_not_given_stays(portal: FakePortal, client: Client) -> None:
    words = ("notifications", "set", "--webhook", "ended", "--url", "https://hooks.example.org/x")
    result = run(sciserver, client, *words)
    assert (result.stdout, result.exit_code) == ("shw_s3cret\n", 0)
    assert "not shown again" in result.stderr
    assert portal.chosen["mail"] == ["time_left", "failed"]
    assert (
        "https://hooks.example.org/x"
        in run(sciserver, client, "notifications", "set", "--mail", "none").stdout
    )
    assert (portal.chosen["mail"], portal.chosen["webhook"]) == ([], ["ended"])
    again = run(sciserver, client, "notifications", "set", "--new-secret", "--json")
    assert json.loads(again.stdout)["secret"] == "shw_s3cret"


def test_what_is_wrong_is_told(portal: FakePortal, client: Client) -> None:
    result = run(sciserver, client, "notifications", "set", "--webhook", "ended")
    assert (result.exit_code, "webhook_url: give the address" in result.stderr) == (2, True)


def test_a_way_is_tried(portal: FakePortal, client: Client) -> None:
    assert run(sciserver, client, "notifications", "test", "mail").exit_code == 0
    assert portal.tested == ["mail"]
