"""An app with a service beside it: JupyterLab with a PostgreSQL of its own, on Slurm's nodes."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from sciserver_hpc.devcluster import images, portal
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain import toml

from ..conftest import Cluster
from ..web import Web
from .visitor import PATIENCE_MS, Visitor, run_cell, visiting
from .wire import view

APP = "jupyterlab-postgres"
VOLUME = "Storage/alice/persistent"
KEPT = {f"volume:{VOLUME}": "rw", "values.volume": VOLUME}
WRITE = """
import psycopg
with psycopg.connect() as database:
    database.execute("create table star (name text, magnitude real)")
    database.execute("insert into star values ('Vega', 0.03), ('Sirius', -1.46)")
""".strip()
READ = """
import psycopg
with psycopg.connect() as database:
    print(*(name for name, in database.execute("select name from star order by magnitude")))
""".strip()


@pytest.fixture
def alice(browser: Browser, cluster: Cluster) -> Iterator[Visitor]:
    with visiting(browser, cluster, "alice") as visitor:
        yield visitor


@pytest.fixture(scope="module", autouse=True)
def offered(cluster: Cluster) -> Iterator[None]:
    """The images that the app needs are not among every cluster's."""
    site = tomllib.loads((cluster.state.etc / "site.toml").read_text())
    there = {row["name"] for row in site["images"]}
    for image in images.ensure(["apps", "postgres"]):
        if image.name not in there:
            site["images"].append(image.model_dump(mode="json", exclude_none=True))
            for domain in site["domains"]:
                domain["images"].append(image.name)
            given = next(one for one in site["grants"] if one["resource"]["kind"] == "image")
            site["grants"].append(given | {"resource": {"kind": "image", "name": image.name}})
    changed = cluster.state.shared / "compose.toml"
    changed.write_text(toml.dumps(site))
    _apply(cluster, str(changed))
    yield
    _apply(cluster)
    changed.unlink()


def _apply(cluster: Cluster, *file: str) -> None:
    command = portal.service(cluster.namespace, "db", "apply", "--yes", *file)
    cluster.namespace.check(command, "catalogue", timeout=60)


@pytest.fixture(autouse=True)
def nothing_left(cluster: Cluster, web_of: Callable[[str], Web]) -> Iterator[None]:
    """No session, and no process of a server."""
    yield
    web = web_of("alice")
    for one in web("GET", "/sessions").json()["sessions"]:
        web("POST", f"/sessions/{one['id']}/stop")
    assert wait(lambda: all(o["phase"] == "over" for o in web("GET", "/sessions").json()["sessions"]), 60)
    assert wait(lambda: servers(cluster) == [], 30), servers(cluster)


def servers(cluster: Cluster) -> list[str]:
    """PostgreSQL's processes of alice's, by id; the machine may have others'."""
    uid = int(cluster.root("id", "-u", "alice"))
    return [
        entry.name for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _is_server(entry, uid)
    ]


def _is_server(entry: Path, uid: int) -> bool:
    try:
        return entry.stat().st_uid == uid and (entry / "comm").read_text() == "postgres\n"
    except OSError:
        return False


def over(web: Web, job_id: int) -> dict[str, Any]:
    assert wait(lambda: view(web, job_id)["phase"] == "over", 90)
    return view(web, job_id)


def folder(cluster: Cluster, job_id: int) -> Path:
    (found,) = (cluster.state.shared / "temporary" / "alice" / "jobs").glob(f"*/*-{job_id}")
    return found


def stop(alice: Visitor, job_id: int) -> None:
    alice.page.goto(f"/sessions/{job_id}")
    alice.page.get_by_role("button", name="Stop").click()
    expect(alice.page.get_by_role("button", name="Start again")).to_be_visible(timeout=PATIENCE_MS)


def test_a_cell_writes_into_the_database_and_the_next_session_reads_it(
    alice: Visitor, cluster: Cluster, web_of: Callable[[str], Web]
) -> None:
    first = alice.start(APP, "Python web apps", **KEPT)
    lab = alice.enter(first)
    assert run_cell(lab, "python3", WRITE) == ""
    assert run_cell(lab, "python3", READ) == "Sirius Vega"
    assert run_cell(lab, "python3", "import psycopg; psycopg.connect().info.host") == "'/home/idies/.session'"
    inside = [_network(cluster, pid) for pid in servers(cluster)]
    assert inside and _network(cluster, "self") not in inside
    stop(alice, first)
    assert wait(lambda: servers(cluster) == [], 30)
    assert "database system is shut down" in (folder(cluster, first) / "service.database.txt").read_text()
    second = alice.start(APP, "Python web apps", **KEPT)
    assert run_cell(alice.enter(second), "python3", READ) == "Sirius Vega"


def _network(cluster: Cluster, pid: str) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def test_a_second_session_with_the_same_files_ends_and_says_why(
    alice: Visitor, cluster: Cluster, web_of: Callable[[str], Web]
) -> None:
    web = web_of("alice")
    alice.start(APP, "Python web apps", **KEPT)
    fields = {"app": APP, "image": "apps", "values": {"volume": VOLUME}}
    asked = fields | {"volumes": [{"volume": VOLUME, "mode": "rw"}]}
    answer = web("POST", "/sessions", json=asked)
    assert answer.status_code == 201, answer.text
    job_id = answer.json()["session"]["id"]
    ended = over(web, job_id)
    assert "Service database ended with code 1 before it was ready" in ended["sentence"]
    assert (
        "Another session uses the database" in (folder(cluster, job_id) / "service.database.txt").read_text()
    )


def test_a_database_that_dies_ends_the_session_which_names_it(
    alice: Visitor, cluster: Cluster, web_of: Callable[[str], Web]
) -> None:
    number = alice.start(APP, "Python web apps")
    first = min(servers(cluster), key=int)
    subprocess.run(["kill", "-9", first], check=True)
    ended = over(web_of("alice"), number)
    assert "A service that the app needs ended. Service database ended with code 137" in ended["sentence"]
