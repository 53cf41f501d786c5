"""Sessions from a click to a cell's answer, in Chromium, through nginx and the gate, on Slurm's nodes."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, expect

from sciserver_hpc.devcluster.processes import wait

from ..conftest import Cluster
from ..web import Web
from .visitor import PATIENCE_MS, Visitor, end_sessions, run_cell, visiting
from .wire import Running, started, view

LOST_WITH_A_SESSION = (
    ("session_passes", "job_id"),
    ("sessions", "job_id"),
    ("job_events", "job_id"),
    ("job_requests", "job_id"),
    ("jobs", "id"),
)


@pytest.fixture
def alice(browser: Browser, cluster: Cluster) -> Iterator[Visitor]:
    with visiting(browser, cluster, "alice") as visitor:
        yield visitor


@pytest.fixture(autouse=True)
def no_session_left(cluster: Cluster) -> Iterator[None]:
    yield
    end_sessions(cluster, "alice", "bob")


@pytest.fixture(scope="module", autouse=True)
def minute(cluster: Cluster, web_of: Callable[[str], Web]) -> Running:
    """Carol's session of a minute, whose time goes by while the other tests run."""
    command = {"command": "exec python3 -m http.server --bind 127.0.0.1 $PORT"}
    short = {"cpus": 1, "memory_mb": 300, "time_limit_s": 60}
    return started(cluster, web_of("carol"), "webport", values=command, resources=short)


def test_jupyterlab_from_the_form_to_a_cells_answer(alice: Visitor) -> None:
    lab = alice.enter(alice.start("jupyterlab", "Python"))
    lab.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    cell = lab.locator(".jp-Notebook .cm-content").first
    # Until then the page may take the focus, and what one types is gone.
    expect(lab.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible()
    code = "import getpass; print(getpass.getuser(), 6 * 7)"
    cell.fill(code)
    expect(cell).to_have_text(code)
    cell.press("Shift+Enter")
    expect(lab.locator(".jp-OutputArea-output pre").first).to_have_text("alice 42", timeout=PATIENCE_MS)


@pytest.mark.parametrize(
    ("image", "kernel", "code", "answer"),
    [
        ("Python", "python3", "import statistics; statistics.mean([1, 2, 6])", "3"),
        ("R", "ir", "cat(mean(quakes$mag) > 4.6)", "TRUE"),
        ("GNU Octave", "octave", "disp(rank(magic(4)))", "3"),
    ],
)
def test_a_cell_in_each_kernel(alice: Visitor, image: str, kernel: str, code: str, answer: str) -> None:
    lab = alice.enter(alice.start("jupyterlab", image))
    assert run_cell(lab, kernel, code) == answer


def test_two_people_side_by_side_on_one_node(
    alice: Visitor, browser: Browser, cluster: Cluster, web_of: Callable[[str], Web]
) -> None:
    with visiting(browser, cluster, "bob") as bob:
        mine, his = alice.start("jupyterlab", "Python"), bob.start("jupyterlab", "Python")
        both = (view(web_of("alice"), mine), view(web_of("bob"), his))
        nodes = {one["job"]["node"] for one in both}
        assert len(nodes) == 1, "the test wants one node; give sessions fewer of them"
        who = "import os, getpass; print(getpass.getuser(), os.listdir('/home/idies/workspace/Temporary'))"
        assert run_cell(alice.enter(mine), "python3", who) == "alice ['alice']"
        assert run_cell(bob.enter(his), "python3", who) == "bob ['bob']"


def test_a_file_put_into_a_volume_is_read_in_the_notebook(alice: Visitor) -> None:
    number = alice.start("jupyterlab", "Python", **{"volume:Storage/alice/persistent": "rw"})
    lab = alice.enter(number)
    put = """async ([path, content]) => {
        const xsrf = document.cookie.match(/_xsrf=([^;]+)/)[1];
        const headers = { "Content-Type": "application/json", "X-XSRFToken": xsrf };
        const body = JSON.stringify({ type: "file", format: "text", content });
        return (await fetch(`/api/contents/${path}`, { method: "PUT", headers, body })).status;
    }"""
    assert lab.evaluate(put, ["Storage/alice/persistent/up.csv", "a,b\n1,2\n"]) in (200, 201)
    read = "print(open('/home/idies/workspace/Storage/alice/persistent/up.csv').read())"
    assert run_cell(lab, "python3", read) == "a,b\n1,2"


def test_work_goes_on_while_portal_and_broker_start_anew(alice: Visitor, cluster: Cluster) -> None:
    number = alice.start("jupyterlab", "Python")
    lab = alice.enter(number)
    lab.evaluate(
        "window.line = new WebSocket(location.origin.replace('http', 'ws') + '/api/events/subscribe');"
        "window.gone = false; line.onclose = () => { gone = true; };"
        "new Promise((done, fail) => { line.onopen = done; line.onerror = fail; })"
    )
    for name in ("portal", "broker"):
        cluster.part(name).kill()
        cluster.part(name).start()
    assert lab.evaluate("gone") is False, "an open WebSocket does not need the portal"
    lab.reload()
    assert run_cell(lab, "python3", "print('still here')") == "still here"
    alice.page.goto("/sessions")
    expect(alice.page.locator(f"#session-{number}")).to_contain_text("Ready", timeout=PATIENCE_MS)


def test_logging_out_closes_what_was_open(alice: Visitor) -> None:
    lab = alice.enter(alice.start("jupyterlab", "Python"))
    lab.evaluate(
        "window.line = new WebSocket(location.origin.replace('http', 'ws') + '/api/events/subscribe');"
        "window.gone = new Promise(done => { line.onclose = () => done('closed'); });"
        "new Promise((done, fail) => { line.onopen = done; line.onerror = fail; })"
    )
    alice.page.get_by_role("button", name="Log out").click()
    assert lab.evaluate("gone") == "closed"
    assert lab.evaluate("fetch('/api/status').then(answer => answer.status)") == 401


def test_stopping_and_starting_again_with_the_same_volumes(
    alice: Visitor, web_of: Callable[[str], Web]
) -> None:
    number = alice.start("jupyterlab", "Python", **{"volume:Storage/alice/persistent": "rw"})
    alice.page.get_by_role("button", name="Stop").click()
    again = alice.page.get_by_role("button", name="Start again")
    expect(again).to_be_visible(timeout=PATIENCE_MS)
    ended = view(web_of("alice"), number)
    assert "Cancelled by alice." in str(ended["sentence"])
    again.click()
    alice.page.wait_for_url(lambda url: not url.endswith(f"/{number}") and "/sessions/" in url)
    alice.wait_open()
    new = view(web_of("alice"), int(alice.page.url.rpartition("/")[2]))
    volumes = [(m["volume"], m["mode"]) for m in new["job"]["mounts"]]
    assert ("Storage/alice/persistent", "rw") in volumes


def test_a_session_is_shared_used_and_taken_back(
    alice: Visitor, browser: Browser, cluster: Cluster, web_of: Callable[[str], Web]
) -> None:
    number = alice.start("jupyterlab", "Python")
    web = web_of("alice")
    to_bob = {
        "subject": {"kind": "user", "name": "bob"},
        "resource": {"kind": "session", "name": str(number)},
        "actions": ["write"],
    }
    assert web_of("bob")("GET", f"/sessions/{number}").status_code == 404
    assert web("POST", "/grants", json=to_bob).status_code == 201
    with visiting(browser, cluster, "bob") as bob:
        lab = bob.enter(number)
        assert run_cell(lab, "python3", "import getpass; getpass.getuser()") == "'alice'"
        lab.evaluate(
            "window.line = new WebSocket(location.origin.replace('http', 'ws') + '/api/events/subscribe');"
            "window.gone = new Promise(done => { line.onclose = () => done('closed'); });"
            "new Promise((done, fail) => { line.onopen = done; line.onerror = fail; })"
        )
        assert wait(lambda: view(web, number)["here"] == ["bob"], 60)
        assert web("POST", "/grants/revoke", json=to_bob).status_code == 200
        assert lab.evaluate("gone") == "closed"
        assert lab.evaluate("fetch('/api/status').then(answer => answer.status)") in (401, 403)


def test_a_session_that_the_database_lost_is_taken_back(
    alice: Visitor, cluster: Cluster, web_of: Callable[[str], Web]
) -> None:
    """As after a restore of an older copy."""
    number = alice.start("jupyterlab", "Python")
    web = web_of("alice")
    uuid = view(web, number)["job"]["uuid"]
    with closing(sqlite3.connect(cluster.state.root / "database" / "sciserver.db", timeout=30)) as database:
        for table, column in LOST_WITH_A_SESSION:
            database.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))
        database.commit()
    assert web("GET", f"/sessions/{number}").status_code == 404
    assert web_of("bob")("GET", "/sessions").json()["strays"] == []
    alice.page.goto("/sessions")
    take_back = alice.page.locator(f"#stray-{uuid}").get_by_role("button", name="Take it back")
    wait(lambda: alice.page.reload() is not None and take_back.count() > 0, 60, pause=1)
    take_back.click()
    alice.page.wait_for_url(re.compile(r"/sessions/\d+$"))
    alice.wait_open()
    again = int(alice.page.url.rpartition("/")[2])
    assert view(web, again)["job"]["uuid"] == uuid
    assert run_cell(alice.enter(again), "python3", "print('the same')") == "the same"
    assert len(cluster.accounted()[uuid]) == 1


def test_slurms_own_time_limit_ends_a_session_in_its_own_way(
    minute: Running, cluster: Cluster, web_of: Callable[[str], Web]
) -> None:
    carol = web_of("carol")
    assert wait(lambda: view(carol, minute.id)["phase"] == "over", PATIENCE_MS / 1000)
    job = view(carol, minute.id)["job"]
    assert (job["state"], "its time was up" in job["sentence"]) == ("TIMEOUT", True), job["sentence"]
    (in_slurm,) = cluster.accounted()[minute.uuid]
    assert in_slurm.state != "TIMEOUT", "it left before Slurm had to end it"
