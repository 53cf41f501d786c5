"""Any part killed, away or full around a session: none is lost, none doubled, and its end's cause is true."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.app_files import shipped
from sciserver_hpc.devcluster import cgroup, settings, slurm
from sciserver_hpc.devcluster.daemon import start
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain import toml

from ..conftest import Cluster, kill
from ..test_bad_input import small_disk
from ..test_faults import let_it_save
from ..web import Web
from .visitor import gate_status
from .wire import PATIENCE, Insider, Running, ask, ask_for, opened, paired, served, started, view

APP = """
import os, socketserver, http.server
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")
    def address_string(self):
        return "-"
socketserver.ThreadingUnixStreamServer(os.environ["SOCKET"], App).serve_forever()
"""

PARTS = ("slapd", "munged", "slurmdbd", "slurmctld", "portal", "broker", "nginx")


@pytest.fixture
def alice(web_of: Callable[[str], Web]) -> Web:
    return web_of("alice")


@pytest.fixture(autouse=True)
def mended(cluster: Cluster, web_of: Callable[[str], Web]) -> Iterator[None]:
    """Whatever a test broke is whole for the next one, and no session is left."""
    yield
    for name in PARTS:
        cluster.part(name).start()
    web = web_of("alice")
    for one in web("GET", "/sessions").json()["sessions"]:
        if one["phase"] != "over":
            web("POST", f"/sessions/{one['id']}/stop")


def new(web: Web, **more: Any) -> int:
    return ask_for(web, "webapp", values=served(APP), **more)


def running(cluster: Cluster, web: Web, **more: Any) -> Running:
    return started(cluster, web, "webapp", values=served(APP), **more)


def ended(web: Web, number: int) -> tuple[str, str]:
    """Its job's state and sentence once it is over."""
    assert wait(lambda: view(web, number)["phase"] == "over", PATIENCE, pause=0.3), view(web, number)
    found = view(web, number)
    return found["job"]["state"], found["job"]["sentence"]


def copies(cluster: Cluster, session: Running) -> int:
    return len(cluster.accounted().get(session.uuid, []))


def is_one(cluster: Cluster, session: Running) -> None:
    """It is one Slurm job."""
    assert wait(lambda: copies(cluster, session) == 1, 30, pause=1), cluster.accounted().get(session.uuid)


@pytest.fixture(scope="module")
def insider(cluster: Cluster) -> Iterator[Insider]:
    found = Insider(cluster, "alice")
    yield found
    found.close()


def answers(cluster: Cluster, session: Running, secret: str) -> bool:
    """Does its app answer a browser that has been let in?"""
    return ask(cluster, session.host, "/", paired(secret)).body == "here"


def processes_of(session: Running, word: str) -> list[int]:
    """Those of its owner with `word` in their argv and the session's Slurm job in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            mine = f"SLURM_JOB_ID={session.slurm_id}".encode() in (folder / "environ").read_bytes().split(
                b"\0"
            )
        except OSError:
            continue
        if mine and word in argv:
            found.append(int(folder.name))
    return found


# at its start -----------------------------------------------------------------------------------------------


def test_started_while_slurm_is_away_it_opens_once_it_is_back(cluster: Cluster, alice: Web) -> None:
    with cluster.part("slurmctld").away():
        number = new(alice)
        assert wait(lambda: "could not be handed to Slurm" in view(alice, number)["sentence"], 60, pause=0.3)
        assert view(alice, number)["phase"] == "waiting"
    is_one(cluster, opened(cluster, alice, number))


@pytest.mark.parametrize("killed", [False, True])
def test_a_lost_answer_of_sbatch_makes_one_session(cluster: Cluster, alice: Web, killed: bool) -> None:
    """The deaf controller queues it later; `killed`: the broker dies after handing it over."""
    broker = cluster.part("broker")
    with cluster.part("slurmctld").frozen():
        number = new(alice)
        submitting = lambda: view(alice, number)["job"]["state"] == "SUBMITTING"  # noqa: E731
        assert wait(submitting, PATIENCE, pause=0.2)
        if killed:
            broker.kill()
    broker.start()
    is_one(cluster, opened(cluster, alice, number))


@pytest.mark.parametrize("name", ["broker", "portal", "agent"])
def test_killed_while_sessions_start(cluster: Cluster, alice: Web, name: str) -> None:
    numbers = [new(alice) for _ in range(2)]
    if name == "agent":
        for agent in cluster.agents_of("alice"):
            kill(agent)
    else:
        cluster.part(name).kill()
        cluster.part(name).start()
    for number in numbers:
        is_one(cluster, opened(cluster, alice, number))


def test_a_gate_that_found_no_portal_to_tell_is_found_all_the_same(cluster: Cluster, alice: Web) -> None:
    number = new(alice)
    assert wait(lambda: view(alice, number)["job"]["state"] in ("PENDING", "RUNNING"), PATIENCE)
    folder = Path(view(alice, number)["job"]["folder"])
    with cluster.part("portal").away():
        assert wait((folder / ".sciserver" / "session.json").exists, PATIENCE)
    is_one(cluster, opened(cluster, alice, number))


# while it runs ----------------------------------------------------------------------------------------------


def test_whatever_is_killed_under_it_an_open_session_goes_on(
    cluster: Cluster, alice: Web, insider: Insider
) -> None:
    session = running(cluster, alice)
    secret = insider.enter(session)
    for name in ("broker", "portal", "agent", "nginx", "slapd", "slurmctld"):
        if name == "agent":
            for agent in cluster.agents_of("alice"):
                kill(agent)
        else:
            if name == "slurmctld":
                let_it_save(cluster)
            cluster.part(name).kill()
            cluster.part(name).start()
        assert answers(cluster, session, secret), name
        assert view(alice, session.id)["phase"] == "open", name
    alice("POST", f"/sessions/{session.id}/stop")
    assert ended(alice, session.id) == ("CANCELLED", "Cancelled by alice.")
    is_one(cluster, session)


def test_a_gate_that_is_killed_ends_the_session_and_is_named(cluster: Cluster, alice: Web) -> None:
    session = running(cluster, alice)
    for pid in processes_of(session, "gate.json"):
        os.kill(pid, signal.SIGKILL)
    state, sentence = ended(alice, session.id)
    assert state == "FAILED"
    assert "The part of the session that lets people in failed." in sentence
    assert "Start it again" in sentence
    assert wait(lambda: not processes_of(session, "python3"), 30)


def test_an_app_that_is_killed_ends_the_session(cluster: Cluster, alice: Web, insider: Insider) -> None:
    session = running(cluster, alice)
    secret = insider.enter(session)
    apps = [
        pid
        for pid in processes_of(session, "b64decode")
        if "gate" not in Path(f"/proc/{pid}/comm").read_text()
    ]
    assert apps
    for pid in apps:
        os.kill(pid, signal.SIGKILL)
    state, sentence = ended(alice, session.id)
    assert state == "FAILED"
    assert "Killed" in sentence or "killed" in sentence, sentence
    assert ask(cluster, session.host, "/", paired(secret)).status in (401, 403)
    assert wait(lambda: not processes_of(session, "gate.json"), 30)


def test_a_node_that_dies_ends_its_session_as_node_fail(
    cluster: Cluster, alice: Web, insider: Insider
) -> None:
    session = running(cluster, alice)
    secret = insider.enter(session)
    node = view(alice, session.id)["job"]["node"]
    cluster.part(f"slurmd-{node}").kill()
    try:
        cluster.root("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        state, sentence = ended(alice, session.id)
        assert ask(cluster, session.host, "/", paired(secret)).status in (401, 403)
    finally:
        cluster.part(f"slurmd-{node}").start()
        assert wait(lambda: slurm.nodes_are_up(cluster.namespace), 60, pause=0.5)
    assert state == "NODE_FAIL"
    assert f"The node {node} failed" in sentence
    is_one(cluster, session)


# disks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def volume(cluster: Cluster, web_of: Callable[[str], Web]) -> Path:
    """Carol's volume on disk."""
    web_of("carol")
    return cluster.state.shared / "storage" / "carol" / "persistent"


def test_with_a_full_results_volume_it_says_so(
    web_of: Callable[[str], Web], cluster: Cluster, volume: Path
) -> None:
    """Sessions keep their folder in scratch space unless its owner has none."""
    carol, scratch = web_of("carol"), cluster.state.shared / "temporary" / "carol"
    assert volume.exists()
    with small_disk(scratch, 64):
        owner = scratch.stat()
        (scratch / "jobs").mkdir(mode=0o700)
        os.chown(scratch / "jobs", owner.st_uid, owner.st_gid)
        (scratch / "full").write_bytes(b"x" * (64 << 10))
        state, sentence = ended(carol, new(carol))
    assert state == "REJECTED"
    assert "no space left" in sentence
    assert "delete files there" in sentence


def test_with_a_full_home_it_opens(cluster: Cluster, web_of: Callable[[str], Web], volume: Path) -> None:
    carol, home = web_of("carol"), cluster.state.shared / "home" / "carol"
    with small_disk(home, 64):
        (home / "full").write_bytes(b"x" * (64 << 10))
        lab = started(cluster, carol, "jupyterlab")
        carol("POST", f"/sessions/{lab.id}/stop")
        assert ended(carol, lab.id)[0] == "CANCELLED"


# limits -----------------------------------------------------------------------------------------------------


def test_out_of_memory_is_told_with_advice(cluster: Cluster, alice: Web) -> None:
    if "enforced" not in cgroup.found().sentence:
        pytest.skip(cgroup.found().sentence)
    hungry = "import os, time\nif os.fork():\n time.sleep(9)\n x = bytearray(900 << 20)\n" + APP
    number = ask_for(
        alice,
        "webapp",
        values=served(hungry),
        resources={"cpus": 1, "memory_mb": 300, "time_limit_s": 600},
    )
    state, sentence = ended(alice, number)
    assert state == "OUT_OF_MEMORY"
    assert "300 MB" in sentence
    assert "Ask for 512 MB and run again" in sentence


@pytest.fixture
def with_save(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`webapp` has a save hook: its site's definition of it goes before the one that is shipped."""
    directory = cluster.state.root / "apps-of-a-test"
    shutil.copytree(shipped() / "webapp", directory / "webapp")
    app = directory / "webapp" / "app.yml"
    app.write_text(app.read_text().replace("save_s: 0", "save_s: 20"))
    save = "set -eu\necho saved >/home/idies/workspace/Storage/alice/persistent/hook\n"
    (directory / "webapp" / "save.sh").write_text(save)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    file = settings.file(cluster.state)
    before = file.read_text()
    values = tomllib.loads(before)
    values["sessions"]["apps"] = [str(directory)]
    file.write_text(toml.dumps(values))
    try:
        anew(cluster)
        yield
    finally:
        file.write_text(before)
        shutil.rmtree(directory)
        anew(cluster)


def anew(cluster: Cluster) -> None:
    """Portal and broker read their settings again."""
    for name in ("portal", "broker"):
        cluster.part(name).stop()
        cluster.part(name).start()


WORK = {"volumes": [{"volume": "Storage/alice/persistent", "mode": "rw"}]}


def test_when_time_is_up_it_saves_and_says_so(cluster: Cluster, alice: Web, with_save: None) -> None:
    """Slurm sends the batch step this signal two minutes before its limit (sbatch --signal)."""
    hook = cluster.state.shared / "storage" / "alice" / "persistent" / "hook"
    hook.unlink(missing_ok=True)
    session = running(cluster, alice, **WORK)
    cluster.root("scancel", "--batch", "--signal=USR1", str(session.slurm_id))
    state, sentence = ended(alice, session.id)
    assert (state, "its time was up" in sentence, "ask for more time" in sentence) == ("TIMEOUT", True, True)
    assert hook.read_text() == "saved\n"
    hook.unlink()


# clocks -----------------------------------------------------------------------------------------------------

SHIFT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
#define BY %d
int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int told = real(clock, at);
    if (clock == CLOCK_REALTIME) at->tv_sec += BY;
    return told;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""
"""What libfaketime does, as far as Python asks for the time."""


@contextmanager
def shifting(cluster: Cluster, seconds: int) -> Iterator[Path]:
    """The library that shifts a program's clock, until the block is left."""
    library = cluster.state.root / f"shift-{seconds}.so"
    argv = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), "-ldl"]
    subprocess.run(argv, input=(SHIFT % seconds).encode(), check=True, timeout=60)
    library.chmod(0o755)
    try:
        yield library
    finally:
        library.unlink()


@contextmanager
def clock_of(cluster: Cluster, name: str, seconds: int) -> Iterator[None]:
    """A part whose clock is wrong, until the block is left."""
    part = cluster.part(name)
    command = part.daemon.command
    with shifting(cluster, seconds) as library:
        shifted = replace(command, env={**command.env, "LD_PRELOAD": str(library)})
        part.stop()
        try:
            start(part.namespace, replace(part.daemon, command=shifted))
            yield
        finally:
            part.stop()
            part.start()


@contextmanager
def clock_of_nodes(cluster: Cluster, seconds: int) -> Iterator[None]:
    """Whatever a job starts on a node has a wrong clock: wrapper, gate, apptainer. slurmd's stays right: no
    job would start there, since munge(7) takes no credential that is five minutes off."""
    conf, prolog = cluster.state.etc / "slurm" / "slurm.conf", cluster.state.root / "task-prolog"
    before = conf.read_text()
    with shifting(cluster, seconds) as library:
        prolog.write_text(f"#!/bin/sh\necho export LD_PRELOAD={library}\n")
        prolog.chmod(0o755)
        try:
            conf.write_text(f"{before}TaskProlog={prolog}\n")
            cluster.root("scontrol", "reconfigure")
            yield
        finally:
            conf.write_text(before)
            cluster.root("scontrol", "reconfigure")
            prolog.unlink()


needs_a_compiler = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="without a compiler no clock can be shifted"
)


@needs_a_compiler
@pytest.mark.parametrize(("name", "seconds"), [("broker", 600), ("broker", -600), ("portal", 600)])
def test_a_clock_ten_minutes_off_ends_no_session(
    cluster: Cluster, alice: Web, insider: Insider, name: str, seconds: int
) -> None:
    open_before = running(cluster, alice)
    secret = insider.enter(open_before)
    with clock_of(cluster, name, seconds):
        later = running(cluster, alice)
        assert answers(cluster, later, insider.enter(later))
        assert answers(cluster, open_before, secret)
        for session in (open_before, later):
            assert view(alice, session.id)["phase"] == "open"
    assert answers(cluster, open_before, secret)
    for session in (open_before, later):
        alice("POST", f"/sessions/{session.id}/stop")
        assert ended(alice, session.id) == ("CANCELLED", "Cancelled by alice.")
        is_one(cluster, session)


@needs_a_compiler
@pytest.mark.parametrize("seconds", [600, -600])
def test_on_a_node_whose_clock_is_ten_minutes_off_a_session_is_used_and_its_use_is_seen(
    cluster: Cluster, alice: Web, insider: Insider, seconds: int
) -> None:
    with clock_of_nodes(cluster, seconds):
        session = running(cluster, alice)
        (gate, *_) = processes_of(session, "gate.json")
        assert "shift" in Path(f"/proc/{gate}/maps").read_text(), "the gate has the wrong clock"
        assert answers(cluster, session, insider.enter(session))
        assert view(alice, session.id)["phase"] == "open"
        assert gate_status(cluster, alice, session.id).idle_s < 120
        alice("POST", f"/sessions/{session.id}/stop")
        assert ended(alice, session.id) == ("CANCELLED", "Cancelled by alice.")
    is_one(cluster, session)
    job = view(alice, session.id)["job"]
    assert job["started_at"] <= job["ended_at"]
