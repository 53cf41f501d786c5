"""Bob against alice, and a job against the portal: on a real node, through the real web server.

Every route with another person's job, and every scope, is in tests/portal/test_authorization.py; an agent
that lies in tests/agents/test_lies.py; sudo's line in test_service_account.py. Here are the ways round it.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster import settings
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.errors import NotFound
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.views import JobView

from .conftest import Cluster
from .web import Web

PATIENCE = 150
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def alice(client_of: Callable[[str], Client]) -> Client:
    return client_of("alice")


@pytest.fixture
def bob(client_of: Callable[[str], Client]) -> Client:
    return client_of("bob")


@pytest.fixture(scope="module")
def bobs(cluster: Cluster) -> Iterator[Web]:
    web = Web.login(cluster, "bob")
    yield web
    web.close()


def running(client: Client, command: str) -> JobView:
    """A job of which the command has said `started`."""
    job = client.submit_shell(command)
    assert wait(lambda: "started" in client.log(job.id).text, PATIENCE, pause=0.5), client.job(
        job.id
    ).sentence
    return client.job(job.id)


def ended(client: Client, job: JobView) -> JobView:
    return client.wait(job.id, timeout=PATIENCE, poll=0.5)


@pytest.fixture(scope="module")
def alices(client_of: Callable[[str], Client]) -> Iterator[JobView]:
    """A running job of alice's that shows what it was given."""
    alice = client_of("alice")
    yield (job := running(alice, "env; umask; echo started; sleep 600"))
    alice.cancel(job.id)


# on the node, as another user ---------------------------------------------------------------------------


def test_another_users_processes_reach_nothing(cluster: Cluster, run_as: Run, alices: JobView) -> None:
    state = cluster.state
    for path in (
        alices.folder,
        f"{alices.folder}/.sciserver/claim.header",
        f"{alices.folder}/stdout.txt",
        str(state.shared / "storage" / "alice" / "persistent"),
        str(state.secrets / "portal.key"),
        str(state.secrets / "password.alice"),
        str(state.secrets / "slurm.jwt"),
        str(state.root / "database"),
        str(state.run / "sciserver" / "agents"),
        str(settings.socket(state)),
    ):
        done = run_as("bob", ["ls", "-d", f"{path}/."] if Path(path).is_dir() else ["cat", path])
        assert "denied" in done.stderr, (path, done.stdout, done.stderr)


def test_another_user_cannot_touch_the_job_in_slurm(run_as: Run, alices: JobView) -> None:
    job = str(alices.slurm_id)
    assert "denied" in run_as("bob", ["scancel", job]).stderr
    for argv in (
        ["scontrol", "update", f"jobid={job}", "name=x"],
        ["scontrol", "write", "batch_script", job, "-"],
    ):
        done = run_as("bob", argv)
        assert (done.stdout, "Invalid user id" in done.stderr) == ("", True)


def test_another_user_cannot_connect_to_sockets(cluster: Cluster, run_as: Run) -> None:
    """The portal's socket would believe any X-Forwarded-For; an agent's socket speaks for its owner."""
    sockets = [settings.socket(cluster.state), *(cluster.state.run / "sciserver" / "agents").glob("*.sock")]
    assert len(sockets) > 1
    for path in sockets:
        done = run_as("bob", ["curl", "-sS", "--unix-socket", str(path), "http://localhost/healthz"])
        assert done.returncode == 7, (path, done.stdout)


SECRETS = re.compile(r"sht_|[Bb]earer|password|[0-9a-f]{64}|eyJ")


def test_nothing_secret_is_shown_by_slurm_or_the_process_list(
    cluster: Cluster, run_as: Run, alices: JobView
) -> None:
    shown = run_as("bob", ["scontrol", "show", "job", str(alices.slurm_id)]).stdout
    fields = ["-X", "-n", "-P", "-o", "submitline,comment,admincomment,workdir"]
    shown += run_as("alice", ["sacct", "-j", str(alices.slurm_id), *fields]).stdout
    uid = Path(alices.folder).stat().st_uid
    shown += "\n".join(
        lines for process, lines in processes(uid, "cmdline") if alices.folder in process or lines
    )
    assert str(alices.slurm_id) in shown
    assert not SECRETS.search(shown)


def processes(uid: int, name: str) -> list[tuple[str, str]]:
    """(pid, the text of /proc/<pid>/`name`) of a user's processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == uid:
                found.append((folder.name, (folder / name).read_text(errors="replace").replace("\0", "\n")))
        except OSError:
            continue
    return found


def test_a_job_inherits_nothing_of_the_services(cluster: Cluster, alice: Client, alices: JobView) -> None:
    *variables, umask, _started = alice.log(alices.id).text.splitlines()
    names = {line.partition("=")[0] for line in variables}
    assert umask == "0022"
    assert names & {"SLURM_JWT", "SCISERVER_CONFIG", "SUDO_UID", "PYTHONPATH", "SLURM_CONF"} == set()
    own = {"HOME", "PATH", "PWD", "SHLVL", "LANG", "LC_ALL", "TZ", "_", "OMP_NUM_THREADS", "MPLBACKEND"}
    own |= {"LD_LIBRARY_PATH", "PROMPT_COMMAND", "SCISERVER_RESULT"}
    prefixes = ("SLURM_", "SCISERVER_JOB_", "SCISERVER_USER_", "APPTAINER_", "SINGULARITY_")
    assert {name for name in names if not name.startswith(prefixes)} <= own
    ours = f"SLURM_JOB_ID={alices.slurm_id}\n"
    environments = [
        text for _, text in processes(Path(alices.folder).stat().st_uid, "environ") if ours in text
    ]
    assert environments
    for text in environments:
        assert not re.search(r"^(SLURM_JWT|SCISERVER_CONFIG|SUDO_\w+)=", text, re.M)


def test_what_is_written_is_its_owners_alone(cluster: Cluster, alices: JobView) -> None:
    folder = Path(alices.folder)
    for path in (folder, folder / ".sciserver", folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    for path in (*folder.glob("*.txt"), folder / "provenance.json", *(folder / ".sciserver").glob("*")):
        assert path.lstat().st_uid == folder.stat().st_uid
    for name in ("claim.header", "uuid"):
        assert stat.S_IMODE((folder / ".sciserver" / name).stat().st_mode) == 0o600
    state = cluster.state
    for path in (state.root / "database", state.run / "sciserver", state.run / "sciserver" / "agents"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    assert stat.S_IMODE(state.logs.stat().st_mode) == 0o700
    for path in state.secrets.iterdir():
        assert not path.stat().st_mode & 0o077, path


# the job's own record and secret ------------------------------------------------------------------------


def claim(cluster: Cluster, secret: str, uuid: str, slurm_id: int | None, restarts: int = 0) -> str:
    asked = {"uuid": uuid, "slurm_id": slurm_id, "restarts": restarts}
    return Web(cluster, secret)("POST", "/jobs/claim", json=asked).text.partition("\n")[0]


def test_claims_cannot_be_forged(cluster: Cluster, bob: Client, alices: JobView) -> None:
    job = running(bob, "cut -d' ' -f3 .sciserver/claim.header; echo started; sleep 4")
    secret = bob.log(job.id).text.split()[0]
    assert claim(cluster, secret, alices.uuid, alices.slurm_id) == "unknown"
    assert claim(cluster, bob._http._session.auth.token, job.uuid, job.slurm_id) == "unknown"  # type: ignore[union-attr]
    assert claim(cluster, secret, job.uuid, alices.slurm_id) == "duplicate"
    assert claim(cluster, secret, job.uuid, job.slurm_id, restarts=99) == "run"
    assert Web(cluster, secret)("GET", "/me").status_code == 401
    # Restarts that Slurm knows nothing of must not keep the job alive for ever.
    after = ended(bob, job)
    assert (after.state, after.restarts, after.slurm_id) == (JobState.SUCCEEDED, 0, job.slurm_id)


def test_a_job_named_like_anothers_changes_nothing(alice: Client, run_as: Run, alices: JobView) -> None:
    script = "#!/bin/sh\nexit 1\n"
    forged = run_as("bob", ["sbatch", "--parsable", "-J", f"x.{alices.uuid}", "-o", "/dev/null"], script)
    slurm_id = forged.stdout.strip()
    assert slurm_id.isdecimal(), forged.stderr
    over = ["sacct", "-j", slurm_id, "-X", "-n", "-P", "-o", "state"]
    assert wait(lambda: run_as("bob", over).stdout.strip() == "FAILED", PATIENCE, pause=1)
    seen = alice.job(alices.id)
    assert (seen.state, seen.slurm_id) == (JobState.RUNNING, alices.slurm_id)


RECORD = '{"exit_code":0,"slurm_id":\'"$SLURM_JOB_ID"\',"restarts":0,"cause":"","message":""}'
FORGERIES = {
    "forged, then unwritable": (
        f"echo '{RECORD}' > .sciserver/end.json; chmod 500 .sciserver; exit 3",
        "FAILED",
    ),
    "a link to a secret": ("ln -sf /etc/shadow .sciserver/end.json; exit 3", "FAILED"),
    "a pipe": ("rm -rf .sciserver; mkfifo .sciserver; exit 3", "FAILED"),
    "noise for provenance": ("head -c 1000000 /dev/urandom > provenance.json; exit 3", "FAILED"),
}


def test_a_job_cannot_write_its_own_success(bob: Client) -> None:
    jobs = {what: bob.submit_shell(command) for what, (command, _) in FORGERIES.items()}
    for what, job in jobs.items():
        assert ended(bob, job).state is JobState.FAILED, what
    assert bob.me().username == "bob"


def test_no_process_outlives_a_cancel(bob: Client) -> None:
    mark = f"{uuid4().int % 10**9}"
    stubborn = f"trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; sleep {mark}' & nohup sleep {mark} & "
    job = running(bob, f"{stubborn} echo started; sleep {mark}")
    uid = Path(job.folder).stat().st_uid
    assert any(mark in text for _, text in processes(uid, "cmdline"))
    bob.cancel(job.id)
    assert ended(bob, job).state is JobState.CANCELLED
    assert wait(lambda: not any(mark in text for _, text in processes(uid, "cmdline")), 30, pause=0.5)


# files as weapons ---------------------------------------------------------------------------------------

NASTY = "<img src=x onerror=alert(1)>"
MAKE = rf"""
truncate -s 1G big.txt; ln -s / root; ln -s /etc/passwd shadow.txt; mkfifo pipe.ipynb
printf 'started \033]0;title\007 \342\200\256 <script>alert(1)</script> \377\376\0\n'
touch -- -rf '{NASTY}' $'new\nline' "$(printf 'bad\377')" '"; id.txt' '%2e%2e'
echo '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>' > x.svg; cp x.svg x.png
python3 -c '
import json
cell = {{"cell_type": "code", "source": "", "execution_count": 1}}
def book(name, *html):
    out = [{{"output_type": "display_data", "data": {{"text/html": one}}}} for one in html]
    with open(name, "w") as file:
        json.dump({{"nbformat": 4, "metadata": {{}}, "cells": [cell | {{"outputs": out}}]}}, file)
book("nasty.ipynb", "{NASTY}", "<script>alert(1)</script><a href=javascript:alert(1)>x</a>")
book("deep.ipynb", "<div>" * 190_000)
'
"""


@pytest.fixture(scope="module")
def weapons(client_of: Callable[[str], Client]) -> JobView:
    bob = client_of("bob")
    job = ended(bob, bob.submit_shell(MAKE, name=NASTY))
    assert job.state is JobState.SUCCEEDED, bob.log(job.id, "stderr").text
    return job


def test_pages_show_hostile_text_as_text(bobs: Web, weapons: JobView) -> None:
    for path in ("/", "/jobs", *(f"/jobs/{weapons.id}{tab}" for tab in ("", "/log", "/results", "/script"))):
        answer = bobs.page("GET", path, headers=bobs.browser())
        assert answer.status_code == 200, path
        assert "<img src=x" not in answer.text, path
        assert "<script>alert" not in answer.text, path
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "&lt;img src=x" in bobs.page("GET", "/jobs", headers=bobs.browser()).text


def test_files_are_never_pages_of_ours(bobs: Web, weapons: JobView) -> None:
    for name in ("x.svg", NASTY, "new\nline", "%2e%2e", '"; id.txt', "-rf", "bad\\udcff"):
        answer = bobs("GET", f"/jobs/{weapons.id}/files/content", params={"path": name})
        assert answer.status_code == 200, name
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    image = bobs.page("GET", f"/jobs/{weapons.id}/image?path=x.png", headers=bobs.browser())
    assert image.status_code == 422


def test_links_pipes_and_the_gigantic_hold_nobody_up(bobs: Web, weapons: JobView) -> None:
    for name in ("root", "shadow.txt", "pipe.ipynb"):
        for path in (f"render?path={name}", f"results?path={name}/passwd", f"download?path={name}"):
            answer = bobs.page("GET", f"/jobs/{weapons.id}/{path}", headers=bobs.browser(), timeout=20)
            assert "root:x:0" not in answer.text
            assert answer.status_code in (200, 404, 422), path
    preview = bobs.page("GET", f"/jobs/{weapons.id}/results?path=big.txt", headers=bobs.browser())
    assert len(preview.content) < 1_000_000
    assert (
        bobs.page("GET", f"/jobs/{weapons.id}/render?path=big.txt", headers=bobs.browser()).status_code == 413
    )


def test_readers_that_do_not_read_leave_room_for_others(
    cluster: Cluster, bobs: Web, weapons: JobView, alice: Client
) -> None:
    path = f"/api/v1/jobs/{weapons.id}/files/content?path=big.txt"
    ask = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bobs.token}\r\n\r\n".encode()
    with ExitStack() as stack:
        lazy = [stack.enter_context(connected(cluster)) for _ in range(8)]
        for peer in lazy:
            peer.sendall(ask)
        answers = [peer.recv(12) for peer in lazy]
        assert alice.me().username == "alice"
    assert set(answers) == {b"HTTP/1.1 200", b"HTTP/1.1 429"}
    assert answers.count(b"HTTP/1.1 200") <= 4


def test_notebooks_are_defused(bobs: Web, weapons: JobView) -> None:
    shown = bobs.page("GET", f"/jobs/{weapons.id}/render?path=nasty.ipynb", headers=bobs.browser())
    assert shown.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    for word in ("onerror", "<script", "javascript:"):
        assert word not in shown.text


def test_a_notebook_that_takes_minutes_to_clean_is_given_up(bobs: Web, weapons: JobView) -> None:
    shown = bobs.page("GET", f"/jobs/{weapons.id}/render?path=deep.ipynb", headers=bobs.browser())
    assert shown.status_code == 200
    assert "takes too long to show" in shown.text


# the web ------------------------------------------------------------------------------------------------


def test_a_cookie_without_a_forms_token_changes_nothing(bobs: Web, bob: Client) -> None:
    with bobs.making_no_job():
        for path in ("/api/v1/jobs", "/api/v1/tokens", "/logout", "/jobs/new", f"/jobs/{bobs.newest}/cancel"):
            for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded"):
                headers = bobs.browser() | {"Content-Type": kind}
                answer = bobs.page("POST", path, data='{"kind":"shell","command":"true"}', headers=headers)
                assert answer.status_code in (400, 405), (path, kind, answer.text[:200])
    assert bobs("GET", "/me").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", 'a"><script>', "localhost:1@evil.example"])
def test_a_strange_host_leads_nobody_away(cluster: Cluster, host: str) -> None:
    forwarded = {"X-Forwarded-Host": host, "X-Forwarded-Proto": "http", "X-Forwarded-Prefix": f"//{host}"}
    for headers in ({"Host": host}, forwarded):
        answer = Web(cluster).page("GET", "/jobs", headers=headers)
        assert answer.status_code in (302, 400, 421)
        assert answer.headers.get("Location", "/login?").startswith("/login?")
        assert "evil" not in answer.text
        assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example"]
)
def test_login_leads_to_our_own_pages_only(cluster: Cluster, bobs: Web, target: str) -> None:
    answer = bobs.page("GET", "/login", params={"next": target}, headers=bobs.browser())
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
POST = b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\n"
RAW = {
    "two ends": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}" + SMUGGLED,
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "NUL": b"GET /healthz?\0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "metrics": SMUGGLED,
    "metrics, encoded": SMUGGLED.replace(b"/metrics", b"/static/..%2f%6detrics"),
    "out of static": SMUGGLED.replace(b"/metrics", b"/static../app.py"),
    "a large header": SMUGGLED.replace(b"Connection", b"Cookie: " + b"a" * 40_000 + b"\r\nConnection"),
}


@pytest.mark.parametrize("what", RAW)
def test_odd_requests_end_at_the_front_door(cluster: Cluster, what: str) -> None:
    answer = raw(cluster, RAW[what])
    assert re.match(rb"HTTP/1.1 (400|404|501) ", answer), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"sciserver_" not in answer


def raw(cluster: Cluster, data: bytes) -> bytes:
    """What comes back for these very bytes."""
    with connected(cluster) as peer:
        peer.sendall(data)
        received = b""
        while chunk := peer.recv(65536):
            received += chunk
    return received


def connected(cluster: Cluster) -> ssl.SSLSocket:
    """A connection to the web server."""
    port = int(cluster.url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=str(cluster.ca))
    plain = socket.create_connection(("localhost", port), timeout=30)
    return context.wrap_socket(plain, server_hostname="localhost")


def test_another_person_finds_nothing_by_any_number(bob: Client, alices: JobView) -> None:
    for peek in (bob.job, bob.log, bob.files, bob.events, bob.cancel):
        with pytest.raises(NotFound):
            peek(alices.id)


def test_the_clusters_files_are_not_open_to_the_world(cluster: Cluster) -> None:
    """Files of people lie elsewhere: below `shared`."""
    for folder, names, files in os.walk(cluster.state.root):
        names[:] = [name for name in names if name not in ("shared", "src")]
        for path in (Path(folder, name) for name in (*names, *files)):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                assert not mode & 0o002, path
