"""Bad input: a clear error that says what to do, and nothing lost or left.

Where a fast test proves the same, it is named here and not repeated on the cluster:

| what | where |
|---|---|
| a token that has expired | tests/portal/test_authorization.py: test_an_expired_token_is_nobody |
| lockout's counters and waits | tests/services/test_login.py |
| every `#SBATCH` option we do not take, by name | tests/domain/test_headers.py |
| lone surrogates, wrong types, numbers too large | tests/portal/test_api_jobs.py |
"""

from __future__ import annotations

import hashlib
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.devcluster import portal
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain import toml
from sciserver_hpc.domain.states import JobState

from .conftest import Cluster
from .web import Web, said

PATIENCE = 150
Run = Callable[..., subprocess.CompletedProcess[str]]

NOTEBOOK = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'
AT_THE_DOOR: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown domain": ({"domain": "nope"}, 422, "unknown domain `nope`; you may use: batch, interactive"),
    "unknown image": ({"image": "nope"}, 422, "unknown image `nope`; you may use in domain batch: python"),
    "unknown data volume": (
        {"volumes": [{"volume": "nope"}]},
        422,
        "unknown data volume `nope`; you may use:",
    ),
    "unknown root volume": ({"volumes": [{"volume": "No/alice/x"}]}, 422, "unknown root volume `No`"),
    "absent volume": (
        {"volumes": [{"volume": "Storage/alice/no"}]},
        422,
        "there is no volume Storage/alice/no",
    ),
    "another's volume": (
        {"volumes": [{"volume": "Storage/bob/persistent"}]},
        403,
        "you have no grant to read it; ask its owner or an administrator",
    ),
    "another's absent volume": (
        {"volumes": [{"volume": "Storage/bob/no"}]},
        403,
        "you have no grant to read it; ask its owner or an administrator",
    ),
    "results at another's": (
        {"results": {"volume": "Temporary/bob/jobs", "mode": "rw"}},
        403,
        "you have no grant to write it; ask its owner or an administrator",
    ),
    "a path for a volume": ({"volumes": [{"volume": "/etc"}]}, 422, "must be <Root>/<owner>/<name>"),
    "a way out of a volume": ({"volumes": [{"volume": "Storage/alice/.."}]}, 422, "must be <Root>/<owner>"),
    "time": ({"resources": {"time_limit_s": 172_800}}, 422, "asks 2 d; at most 1 d in domain batch"),
    "memory": ({"resources": {"memory_mb": 63_000_000}}, 422, "MB of memory; at most"),
    "cpus": ({"resources": {"cpus": 4000}}, 422, "asks 4000 CPUs; at most 32 in domain batch"),
    "gpus": ({"resources": {"gpus": 1}}, 422, "asks 1 GPUs; at most 0 in domain batch"),
    "no JSON for a notebook": ({"kind": "notebook", "notebook": "print(1)"}, 422, "not a notebook: not JSON"),
    "no cells": ({"kind": "notebook", "notebook": "{}"}, 422, "not a notebook: no list of cells"),
    "an old notebook": (
        {"kind": "notebook", "notebook": NOTEBOOK.replace("4,", "3,", 1)},
        422,
        "open and save it in a current Jupyter",
    ),
    "a newline in a name": ({"name": "a\nb"}, 422, "character 2 (U+000A) is not printable; remove it"),
    "NUL in a name": ({"name": "a\0b"}, 422, "character 2 (U+0000) is not printable; remove it"),
    "a mark of direction": ({"name": "a\u202eb"}, 422, "character 2 (U+202E) is not printable; remove it"),
    "a long name": ({"name": "x" * 10_000}, 422, "has more than 128 characters"),
    "NUL in a command": ({"command": "echo \0"}, 422, "holds a NUL byte; is this a text file?"),
    "a script of 5 MB": (
        {"kind": "script", "script": "#!/bin/sh\n" + "#" * 5_000_000},
        422,
        "script: has more than 1000000 characters",
    ),
    "a directory for stdout": ({"stdout": "../../x"}, 422, "must be a plain file name"),
    "a working directory outside": ({"workdir": "/etc"}, 422, "must be in a mounted volume"),
    "an unknown field": ({"memory": 5}, 422, "is no known field; check its spelling"),
    "somebody else's job": ({"dependencies": [{"job": 1_000_000}]}, 422, "you have no job 1000000"),
}


@pytest.fixture
def alice(client_of: Callable[[str], Client]) -> Client:
    return client_of("alice")


@pytest.mark.parametrize("what", AT_THE_DOOR)
def test_at_the_door(web_of: Callable[[str], Web], what: str) -> None:
    fields, status, words = AT_THE_DOOR[what]
    web = web_of("alice")
    with web.making_no_job():
        answer = web.submit(fields)
    assert (answer.status_code, words in said(answer)) == (status, True), answer.text


def test_a_volume_that_is_not_granted(web_of: Callable[[str], Web]) -> None:
    web = web_of("carol")
    with web.making_no_job():
        answer = web.submit({"volumes": [{"volume": "survey"}]})
    assert answer.status_code == 403
    assert "you have no grant to read it; ask its owner or an administrator" in said(answer)


def test_everything_wrong_is_told_at_once(web_of: Callable[[str], Web]) -> None:
    answer = web_of("alice").submit(
        {"image": "nope", "resources": {"gpus": 9}, "volumes": [{"volume": "Storage/bob/persistent"}]}
    )
    assert answer.status_code == 422
    assert {"image", "resources.gpus", "volumes.0"} <= answer.json()["error"]["problems"].keys()


def test_a_body_too_large(web_of: Callable[[str], Web]) -> None:
    web = web_of("alice")
    with web.making_no_job():
        answer = web("POST", "/jobs", data=b" " * 11_000_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "10 MB at most. Put data into a volume." in said(answer)


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 200_000, b"\xff", b'{"kind": 1' + b"0" * 5000 + b"}"])
def test_a_body_that_is_no_request(web_of: Callable[[str], Web], data: bytes) -> None:
    web = web_of("alice")
    with web.making_no_job():
        answer = web("POST", "/jobs", data=data, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert "could not be read" in said(answer) or "nests too deep" in said(answer)


def test_a_name_of_quotes_and_commands_stays_a_name(alice: Client, run_as: Run) -> None:
    name = "\"; touch $(id -un) `id` 'x' %j --uid=0 <b>"
    job = alice.wait(alice.submit_shell("ls -A", name=name).id, timeout=PATIENCE, poll=1)
    assert (job.state, job.name) == (JobState.SUCCEEDED, name)
    assert set(alice.log(job.id).text.split()) == {
        ".sciserver",
        "command.txt",
        "provenance.json",
        "stderr.txt",
        "stdout.txt",
    }
    rows = run_as("alice", ["sacct", "-j", str(job.slurm_id), "-X", "-n", "-P", "-o", "jobname%200,user"])
    slurm_name, _, user = rows.stdout.strip().rpartition("|")
    assert user == "alice"
    assert not set(slurm_name) & set("\"'`$; <>%")


def test_directives_of_a_script_change_nothing(alice: Client, run_as: Run) -> None:
    lines = ("--uid=0", "--partition=interactive", "--account=cosmo", "--nodelist=n4", "--output=/tmp/stolen")
    script = "\n".join(["#!/bin/bash", *(f"#SBATCH {line}" for line in lines), "id -un", ""])
    job = alice.wait(alice.submit(kind="script", script=script).id, timeout=PATIENCE, poll=1)
    assert job.state is JobState.SUCCEEDED, job.sentence
    assert alice.log(job.id).text == "alice\n"
    asked = ["sacct", "-j", str(job.slurm_id), "-X", "-n", "-P", "-o", "user,partition,account,qos"]
    expected = "alice|batch|astro|normal"
    assert wait(lambda: run_as("alice", asked).stdout.strip() == expected, 30, pause=1)


@pytest.mark.parametrize(
    ("directive", "words"),
    [
        ("--uid=0", "jobs run as you; remove the line"),
        ("--partition=nope", "nope"),
    ],
)
def test_directives_that_would_are_refused_by_the_command(
    cluster: Cluster, run_as: Run, web_of: Callable[[str], Web], directive: str, words: str
) -> None:
    web = web_of("alice")
    environment = [
        f"SCISERVER_URL={cluster.url}",
        f"SCISERVER_TOKEN={web.token}",
        f"SCISERVER_CA={cluster.ca}",
    ]
    command = ["env", *environment, str(cluster.state.root / "bin" / "sciserver-submit")]
    with web.making_no_job():
        done = run_as("alice", command, f"#!/bin/bash\n#SBATCH {directive}\ntrue\n")
    assert done.returncode != 0
    assert words in done.stderr


def test_paths_and_links_lead_nowhere(alice: Client, web_of: Callable[[str], Web]) -> None:
    links = "ln -s /etc/passwd file; ln -s / root; ln -s ../../.. up; ln -s d dl"
    made = f"{links}; mkfifo pipe; mkdir d; echo in > d/f"
    job = alice.wait(alice.submit_shell(made).id, timeout=PATIENCE, poll=1)
    web = web_of("alice")
    assert web("GET", f"/jobs/{job.id}/files/content?path=d/f").text == "in\n"
    for path in ("file", "root", "root/etc/passwd", "up/x", "pipe", "dl/f", "d"):
        answer = web("GET", f"/jobs/{job.id}/files/content", params={"path": path})
        assert answer.status_code == 422, path
    for path in ("..", "../x", "d/../file", "/etc/passwd", "\0", "d/f/..", ".sciserver/claim.header"):
        answer = web("GET", f"/jobs/{job.id}/files/content", params={"path": path})
        assert (answer.status_code, said(answer)) == (404, "There is no such file in the job folder."), path


def test_one_key_makes_one_job_however_often_it_comes(web_of: Callable[[str], Web]) -> None:
    web, key = web_of("alice"), uuid4().hex
    before = web.newest
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: web.submit({"name": "once"}, **{"Idempotency-Key": key}), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["job"]["id"] for answer in answers}) == 1
    other = web.submit({"name": "other"}, **{"Idempotency-Key": key})
    assert other.status_code == 409
    assert "use a new key" in said(other).lower()
    assert web.newest == before + 1
    web("POST", f"/jobs/{web.newest}/cancel")


def test_tokens_narrow_revoked_and_invented(cluster: Cluster, web_of: Callable[[str], Web]) -> None:
    alice, bob = web_of("alice"), web_of("bob")
    made = alice("POST", "/tokens", json={"name": "reader", "scopes": ["jobs:read"], "days": 1}).json()
    reader = Web(cluster, made["secret"])
    assert reader("GET", "/jobs").status_code == 200
    with alice.making_no_job():
        narrow = reader.submit({})
        assert narrow.status_code == 403
        assert "lacks the scope jobs:write; make one that has it" in said(narrow)
        for method, path in (("GET", "/tokens"), ("POST", "/tokens"), ("GET", "/jobs/1/files")):
            assert reader(method, path, json={}).status_code == 403, path
        assert bob("DELETE", f"/tokens/{made['token']['id']}").status_code == 404
        assert reader("GET", "/jobs").status_code == 200
        assert alice("DELETE", f"/tokens/{made['token']['id']}").status_code == 204
        for dead in (reader, Web(cluster, made["secret"][:-1] + "x"), Web(cluster)):
            answer = dead.submit({})
            assert answer.status_code == 401
            assert "Log in, or send a live token" in said(answer)


def test_wrong_passwords_lock_out_without_telling_which_part_was_wrong(cluster: Cluster) -> None:
    web = Web(cluster)
    answers = {
        name: [web.try_login(name, "wrong") for _ in range(7)] for name in ("dora", f"x{uuid4().hex[:8]}")
    }
    told = [[(a.status_code, said(a)) for a in tries if a.status_code == 401] for tries in answers.values()]
    assert {words for tries in told for words in tries} == {(401, "User name or password is wrong.")}
    for tries in answers.values():
        assert tries[-1].status_code == 429
        assert "Try again in" in said(tries[-1])
        assert int(tries[-1].headers["Retry-After"]) > 0
    # The right password waits as well, so that guessing on is no use.
    assert web.try_login("dora", cluster.password("dora")).status_code == 429


@pytest.mark.parametrize("username", ["alice*", "*)(uid=alice", "ali\\63e", "uid=alice,ou=people", "alice\0"])
def test_metacharacters_of_ldap_log_nobody_in(cluster: Cluster, username: str) -> None:
    answer = Web(cluster).try_login(username, cluster.password("alice"))
    assert answer.status_code in (401, 429)
    assert said(answer).startswith(
        ("User name or password is wrong.", "Too many failed logins. Try again in")
    )


@contextmanager
def small_disk(path: Path, kib: int) -> Iterator[None]:
    """A filesystem of `kib` KiB where a volume was."""
    owner = path.stat()
    options = f"size={kib}k,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True, timeout=10)
    try:
        yield
    finally:
        # Lazily: a job's container may hold it for a moment.
        subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=10)


@pytest.fixture
def volume(cluster: Cluster, client_of: Callable[[str], Client]) -> Path:
    """Carol's volume `Storage/carol/persistent` on disk; made at her login."""
    client_of("carol")
    return cluster.state.shared / "storage" / "carol" / "persistent"


RESULTS = {"volume": "Storage/carol/persistent", "mode": "rw"}


def test_a_disk_that_is_full_at_submission(client_of: Callable[[str], Client], volume: Path) -> None:
    carol = client_of("carol")
    with small_disk(volume, 64):
        (volume / "full").write_bytes(b"x" * (64 << 10))
        job = carol.wait(carol.submit_shell("true", results=RESULTS).id, timeout=PATIENCE, poll=0.5)
        left = [path.name for path in volume.glob("*/*")]
    assert job.state is JobState.REJECTED
    assert "no space left" in job.sentence
    assert "delete files there, or choose another volume" in job.sentence
    assert left == []


def test_a_disk_that_fills_while_the_job_runs(client_of: Callable[[str], Client], volume: Path) -> None:
    carol = client_of("carol")
    with small_disk(volume, 256):
        started = carol.submit_shell("echo kept; cat /dev/zero > fill", results=RESULTS)
        job = carol.wait(started.id, timeout=PATIENCE, poll=0.5)
        log = carol.log(job.id).text
    assert job.state is JobState.FAILED
    assert "the volume is full" in job.sentence
    assert "Delete what you no longer need, or choose another results volume" in job.sentence
    assert log == "kept\n"


@pytest.fixture
def tampered(cluster: Cluster) -> Iterator[Path]:
    """An image `tampered` in domain batch: its file, which anything may be done to."""
    file = cluster.state.shared / f"tampered-{uuid4().hex[:8]}.sif"
    file.write_bytes(b"an image as it was catalogued")
    site = tomllib.loads((cluster.state.etc / "site.toml").read_text())
    now = file.stat()
    row = next(image for image in site["images"] if image["name"] == "python")
    facts = {
        "name": "tampered",
        "path": str(file),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "size": now.st_size,
        "mtime_ns": now.st_mtime_ns,
    }
    site["images"].append(row | facts)
    site["domains"][0]["images"].append("tampered")
    grant = next(one for one in site["grants"] if one["resource"]["kind"] == "image")
    site["grants"].append(grant | {"resource": {"kind": "image", "name": "tampered"}})
    changed = file.with_suffix(".toml")
    changed.write_text(toml.dumps(site))
    _apply(cluster, str(changed))
    yield file
    _apply(cluster)
    file.unlink()
    changed.unlink()


def _apply(cluster: Cluster, *file: str) -> None:
    command = portal.service(cluster.namespace, "db", "apply", "--yes", *file)
    cluster.namespace.check(command, "catalogue", timeout=60)


def test_an_image_whose_file_changed(alice: Client, web_of: Callable[[str], Web], tampered: Path) -> None:
    """Before the submission it is refused there; after it, at the start of the job."""
    first = alice.submit_shell("sleep 2")
    waits = web_of("alice").submit(
        {"image": "tampered", "dependencies": [{"type": "afterany", "job": first.id}]}
    )
    assert waits.status_code == 201, waits.text
    tampered.write_bytes(b"an image that somebody changed")
    with web_of("alice").making_no_job():
        late = web_of("alice").submit({"image": "tampered"})
    assert late.status_code == 403
    assert "its file changed since it was catalogued; tell an administrator" in said(late)
    job = alice.wait(waits.json()["job"]["id"], timeout=PATIENCE, poll=0.5)
    assert job.state is JobState.FAILED
    assert job.end is not None and job.end.exit_code == 95
    assert "is not the one that was catalogued" in job.sentence


def copies(run_as: Run, uuid: str) -> list[str]:
    """The states of the Slurm jobs that carry this uuid."""
    rows = run_as(
        "alice", ["sacct", "-X", "-n", "-P", "-o", "state,jobname%200", "-S", "now-1hour"]
    ).stdout.splitlines()
    return [row.split("|")[0].split()[0] for row in rows if uuid in row]


def cancelled(client: Client, job_id: int) -> None:
    job = client.wait(job_id, timeout=PATIENCE, poll=0.5)
    assert (job.state, job.sentence) == (JobState.CANCELLED, "Cancelled by alice.")


def test_cancelled_while_accepted(alice: Client, cluster: Cluster, run_as: Run) -> None:
    with cluster.part("broker").frozen():
        job = alice.submit_shell("true")
        assert job.state is JobState.ACCEPTED
        alice.cancel(job.id)
    cancelled(alice, job.id)
    assert copies(run_as, job.uuid) == []


def test_cancelled_while_submitting(alice: Client, cluster: Cluster, run_as: Run) -> None:
    """Slurm is deaf, so that nobody knows whether it has the job."""
    with cluster.part("slurmctld").frozen():
        job = alice.submit_shell("sleep 600")
        assert wait(lambda: alice.job(job.id).state is JobState.SUBMITTING, PATIENCE, pause=0.5)
        assert alice.cancel(job.id).cancel_requested
    cancelled(alice, job.id)
    assert wait(lambda: set(copies(run_as, job.uuid)) <= {"CANCELLED"}, 30, pause=1)


def test_cancelled_while_pending_running_and_completing(alice: Client, run_as: Run) -> None:
    deaf = alice.submit_shell("trap '' TERM; echo started; while :; do read -t 60 < <(:) || sleep 1; done")
    pending = alice.submit_shell("true", dependencies=[{"type": "afterany", "job": deaf.id}])
    assert wait(lambda: alice.job(pending.id).state is JobState.PENDING, PATIENCE, pause=0.5)
    alice.cancel(pending.id)
    cancelled(alice, pending.id)
    assert wait(lambda: "started" in alice.log(deaf.id).text, PATIENCE, pause=0.5)
    alice.cancel(deaf.id)
    assert wait(lambda: alice.job(deaf.id).state is not JobState.RUNNING, PATIENCE, pause=0.2)
    alice.cancel(deaf.id)  # again, in whatever phase it is now
    cancelled(alice, deaf.id)
    # Accounting lists no job by time that never became eligible, so `pending` may be missing there.
    assert set(copies(run_as, pending.uuid)) <= {"CANCELLED"}
    assert wait(lambda: copies(run_as, deaf.uuid) == ["CANCELLED"], 30, pause=1)


def test_cancelled_when_it_is_over(alice: Client, web_of: Callable[[str], Web]) -> None:
    job = alice.wait(alice.submit_shell("true").id, timeout=PATIENCE, poll=0.5)
    answer = web_of("alice")("POST", f"/jobs/{job.id}/cancel")
    assert answer.status_code in (200, 409)
    assert alice.job(job.id).state is JobState.SUCCEEDED
